"""The nine tools for MCP: their definitions, their calls, and the forms by which a person is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    TextContent,
    Tool,
    ToolAnnotations,
)

from codex_fusion import tools
from codex_fusion.reporter import Reporter

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from codex_fusion.forms import Answer, Form
    from codex_fusion.human import Asked, Caller, Means
    from codex_fusion.premises import Premises
    from codex_fusion.service import Reply

RESULT_SIZE: dict[str, Any] = {"anthropic/maxResultSizeChars": 500_000}
"""Claude Code 2.1 shows the model 50,000 characters of a result, unless the tool declares more."""
CONFIRM: dict[str, Any] = {"anthropic/requiresUserInteraction": True}
"""Claude Code 2.1 asks the person before each call of such a tool, whatever was allowed for good."""
FORM = "decision"
"""The name of our form in a result, and of its answer in the call that follows."""
PUSHES_NONE = "2026-07-28"
"""The protocol's version from which a server asks nothing by itself: a form is a call's result."""


class ToolHandlers:
    """What is answered to `tools/list` and `tools/call`."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises

    async def list_tools(
        self, context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The definitions, honest for this configuration and this client."""
        confirms, flagged = self._confirms(context)
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tools.description(tool, self._premises.config),
                    input_schema=tools.input_schema(tool, confirms=confirms),
                    _meta=_meta(tool, flagged=flagged),
                    annotations=ToolAnnotations.model_validate(tools.hints(tool, self._premises.config)),
                )
                for tool in tools.TOOLS
            ]
        )

    def _confirms(self, context: ServerRequestContext[Any]) -> tuple[bool, bool]:
        """Whether the client shows a person each call of `permit`; whether it is told to."""
        if not tools.asks_a_person(self._premises.config):
            return False, False
        from codex_fusion.human import Means

        means = _means(context)
        return means is Means.CONFIRMS, means is not Means.FORM

    async def call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """Carry out a call, with progress; its result may be a form for the person at the client."""
        from codex_fusion.service import refusal

        if self._premises.problem is not None:
            return _result(refusal(self._premises.problem))

        async def send(count: int, message: str) -> None:
            await context.session.report_progress(count, message=message)

        reporter = Reporter(send)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reporter.run)
            caller = _caller(context, params)
            reply = await self._premises.workplace().call(params.name, params.arguments, reporter, caller)
            reporter.finish()
        return _input_required(reply.asked) if reply.asked is not None else _result(reply)


def _meta(tool: tools.Tool, *, flagged: bool) -> dict[str, Any] | None:
    if tool.name == "permit" and flagged:
        return {**RESULT_SIZE, **CONFIRM}
    return RESULT_SIZE if tool.answers else None


# How a person is asked. What decides about it is in `human` and `forms`.


def _means(context: ServerRequestContext[Any]) -> Means:
    from codex_fusion.human import client_means

    able = context.session.client_capabilities
    asks = able.elicitation if able is not None else None
    # One that names no mode shows forms: there was no other when it was specified.
    shows_forms = asks is not None and (asks.form is not None or asks.url is None)
    known = context.session.client_params
    name, told = (known.client_info.name, known.client_info.version) if known is not None else ("", "")
    return client_means(name, told, shows_forms=shows_forms)


def _caller(context: ServerRequestContext[Any], params: CallToolRequestParams) -> Caller:
    from codex_fusion.forms import Answer
    from codex_fusion.human import Caller

    means = _means(context)
    if context.protocol_version < PUSHES_NONE:
        return Caller(means, ask=partial(_ask, context))
    given = (params.input_responses or {}).get(FORM)
    answer = Answer(given.action, given.content) if isinstance(given, ElicitResult) else None
    return Caller(means, answer=answer, token=params.request_state)


async def _ask(context: ServerRequestContext[Any], form: Form) -> Answer:
    from codex_fusion.forms import Answer

    try:
        given = await context.session.elicit_form(form.message, form.schema, context.request_id)
    except (MCPError, ValueError) as error:  # it refused, hung up, or answered what is no answer
        return Answer(str(error))
    return Answer(given.action, given.content)


def _input_required(asked: Asked) -> InputRequiredResult:
    params = ElicitRequestFormParams(message=asked.form.message, requested_schema=asked.form.schema)
    return InputRequiredResult(input_requests={FORM: ElicitRequest(params=params)}, request_state=asked.token)


def _result(reply: Reply) -> CallToolResult:
    from codex_fusion.render import META_KEY

    return CallToolResult(
        content=[TextContent(type="text", text=text) for text in reply.texts],
        is_error=reply.is_error,
        _meta={META_KEY: reply.turn} if reply.turn is not None else None,
    )
