"""The smallest useful server that one would write with the mcp package alone; `start` compares with it."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

server = MCPServer("two-tools")


@server.tool()
async def ask(question: str) -> str:
    """Ask something."""
    return question


@server.tool()
async def repeat(words: str, times: int = 1) -> str:
    """Say it so many times."""
    return words * times


if __name__ == "__main__":
    server.run()
