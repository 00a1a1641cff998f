"""Leaving: what nobody waits for any more is not computed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def while_there(
    app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send
) -> None:
    """Call the application with a body that has come whole, until it ends or its client leaves."""
    gone = asyncio.Event()
    told = False  # whether the application has had the body
    done = False  # whether the answer is whole: what follows it is no longer the client's

    async def replayed() -> Message:
        nonlocal told
        if not told:
            told = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def sent(message: Message) -> None:
        nonlocal done
        done = message["type"] == "http.response.body" and not message.get("more_body", False)
        await send(message)

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        if not done:
            task.cancel()

    async def call() -> None:
        await app(scope, replayed, sent)

    task = asyncio.create_task(call())
    watching = asyncio.create_task(watch())
    try:
        await task
    except asyncio.CancelledError:
        task.cancel()
        with suppress(asyncio.CancelledError):  # its own way to clean up comes first
            await task
        if not gone.is_set():  # the server ends, and cancels us
            raise
    finally:
        watching.cancel()
