"""Resources and prompts for MCP: what can be read, and what other clients offer as commands.

None of them starts an agent. The words are in `resources` and `mcp_prompts`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CompleteResult,
    Completion,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.types import (
        CompleteRequestParams,
        GetPromptRequestParams,
        PaginatedRequestParams,
        ReadResourceRequestParams,
    )

    from codex_fusion.premises import Premises

INVALID_FROM = "2026-07-28"
"""The protocol's version from which a resource that is not there is an invalid parameter."""
NO_RESOURCE = -32002
"""The error's code until then."""
COMPLETIONS = 100
"""The most that the protocol lets a completion have."""


class ResourceHandlers:
    """What is answered to `resources/…` and `completion/complete`."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises

    async def list_resources(
        self, _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """The list of debates, the status, and the latest debates."""
        from codex_fusion import resources

        entries = await self._premises.library().entries() if self._premises.config is not None else []
        return ListResourcesResult(
            resources=[
                Resource(mime_type=resources.MIME, **asdict(listed)) for listed in resources.listed(entries)
            ]
        )

    async def list_templates(
        self, _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """How the addresses of debates, and of their pages, are made."""
        from codex_fusion import resources

        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(mime_type=resources.MIME, **asdict(known)) for known in resources.TEMPLATES
            ]
        )

    async def read_resource(
        self, context: ServerRequestContext[Any], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """The Markdown at an address; an error of the protocol's where there is nothing."""
        from codex_fusion import resources
        from codex_fusion.errors import CallError

        try:
            text = await self._read(params.uri)
        except CallError as error:
            code = INVALID_PARAMS if context.protocol_version >= INVALID_FROM else NO_RESOURCE
            raise MCPError(code, f"{error} {error.remedy}", {"uri": params.uri}) from None
        contents = TextResourceContents(uri=params.uri, mime_type=resources.MIME, text=text)
        return ReadResourceResult(contents=[contents])

    async def _read(self, uri: str) -> str:
        from codex_fusion import render, resources

        address = resources.parse(uri) if uri not in (resources.DEBATES, resources.STATUS) else None
        if self._premises.problem is not None:
            return render.error_text(self._premises.problem)
        if address is not None:
            return await self._premises.library().text(address)
        if uri == resources.DEBATES:
            return await self._premises.library().listing()
        from codex_fusion.conversation import NOBODY

        return "\n".join((await self._premises.workplace().call("status", None, NOBODY)).texts)

    async def complete(
        self, _context: ServerRequestContext[Any], params: CompleteRequestParams
    ) -> CompleteResult:
        """The ids that begin so."""
        found: list[str] = []
        if self._premises.config is not None and isinstance(params.ref, ResourceTemplateReference):
            argument = params.argument
            found = await self._premises.library().completions(params.ref.uri, argument.name, argument.value)
        return CompleteResult(completion=Completion(values=found[:COMPLETIONS], total=len(found)))


async def list_prompts(
    _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
) -> ListPromptsResult:
    """The plugin's commands."""
    from codex_fusion import mcp_prompts

    return ListPromptsResult(
        prompts=[
            Prompt(
                name=prompt.name,
                title=prompt.title,
                description=prompt.description,
                arguments=[PromptArgument(**asdict(prompt.argument))] if prompt.argument else [],
            )
            for prompt in mcp_prompts.PROMPTS
        ]
    )


async def get_prompt(_context: ServerRequestContext[Any], params: GetPromptRequestParams) -> GetPromptResult:
    """One of them, with what the person typed."""
    from codex_fusion import mcp_prompts
    from codex_fusion.errors import CallError

    try:
        text = mcp_prompts.text(params.name, params.arguments)
    except CallError as error:
        raise MCPError(INVALID_PARAMS, f"{error} {error.remedy}") from None
    message = PromptMessage(role="user", content=TextContent(type="text", text=text))
    return GetPromptResult(messages=[message])
