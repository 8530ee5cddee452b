"""The same bytes said by the Worker itself, and by a model."""

from urllib.parse import urlsplit

from workers import Response, WorkerEntrypoint

EVENTS = {"content-type": "text/event-stream"}
SAID = 'data: {"response":"word "}\n\ndata: [DONE]\n\n'


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        match urlsplit(request.url).path.split("/"):
            case ["", "self", _]:
                return Response(SAID, headers=EVENTS)
            case ["", "ai", model, prompt]:
                stream = await self.env.AI.run(f"@cf/bench/{model}", {"prompt": prompt, "stream": True})
                return Response(stream, headers=EVENTS)
        return Response("not found", status=404)
