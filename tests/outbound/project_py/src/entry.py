"""`GET /<what>/<library>?base=...&name=...`: `what` done with `library`, told as JSON."""

import json
from urllib.parse import parse_qs, urlsplit

import denied
import models
import requesting
from workers import Response, WorkerEntrypoint

DOES = {
    "get": requesting.get,
    "post": requesting.post,
    "stream": requesting.stream,
    "upload": requesting.upload,
    "abandon": requesting.abandon,
    "fail": requesting.fail,
    "late": requesting.late,
    "ask": models.ask,
    "ask-stream": models.ask_stream,
    "try": denied.attempt,
}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlsplit(request.url)
        what, library = url.path.strip("/").split("/")
        options = {name: values[0] for name, values in parse_qs(url.query).items()}
        return Response(json.dumps(await DOES[what](library, **options)), headers={"content-type": "application/json"})
