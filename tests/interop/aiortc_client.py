"""A participant that shares no code with any browser: aiortc's own ICE, DTLS, SRTP and SCTP, over Parlor's `/ws`.

It joins a room, publishes a plain colour and a pure tone, and watches for the colour, tone and chat text of somebody else. It writes one
line of JSON for each of these events, `{"event": "joined" | "sees" | "hears" | "reads"}`, and stays in the room until its input ends.
It knows nothing of `subscription-bound`: whose track is whose it learns from the `msid` in the server's offers.
"""

import argparse
import array
import asyncio
import contextlib
import fractions
import json
import math
import sys

import aioice.ice
import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT = 320, 180
SAMPLE_RATE = 48_000
COLOR_TOLERANCE = 20
# The share of a frame's energy that has to be in the expected tone.
TONE_SHARE = 0.8

# The server of the test listens on the loopback interface, which aioice leaves out of its candidates.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def report(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


class PlainColor(VideoStreamTrack):
    """A camera that shows one colour."""

    def __init__(self, color):
        super().__init__()
        self._pixels = bytes(color) * WIDTH * HEIGHT

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(WIDTH, HEIGHT, "rgb24")
        frame.planes[0].update(self._pixels)
        frame.pts, frame.time_base = pts, time_base
        return frame


class PureTone(AudioStreamTrack):
    """A microphone that hears one tone; the parent's `recv` keeps the time and sends silence."""

    def __init__(self, hz):
        super().__init__()
        self._hz = hz

    async def recv(self):
        silence = await super().recv()
        rate = silence.sample_rate
        step = 2 * math.pi * self._hz / rate
        samples = array.array("h", (int(12_000 * math.sin(step * (silence.pts + n))) for n in range(silence.samples)))
        frame = AudioFrame(format="s16", layout="mono", samples=silence.samples)
        frame.planes[0].update(samples.tobytes())
        frame.pts, frame.sample_rate, frame.time_base = silence.pts, rate, fractions.Fraction(1, rate)
        return frame


def color_of(frame):
    """The colour of the upper third of a picture: tests draw a counter below."""
    rgb = frame.reformat(format="rgb24")
    offset = (rgb.height // 3) * rgb.planes[0].line_size + (rgb.width // 2) * 3
    return list(bytes(rgb.planes[0])[offset : offset + 3])


def share_of_tone(frame, hz):
    """How much of the frame's energy is in the tone (Goertzel), from 0 to 1."""
    channels = len(frame.layout.channels)
    samples = array.array("h", bytes(frame.planes[0]))[: frame.samples * channels : channels]
    energy = sum(sample * sample for sample in samples)
    if energy < len(samples) * 100:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / frame.sample_rate)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return power / (energy * len(samples) / 2)


class Client:
    """One participant in one room."""

    def __init__(self, options, socket):
        self._options = options
        self._socket = socket
        self._owners = {}  # track id -> participant id
        self._names = {}  # participant id -> display name
        self._channel = None
        self._has_said = False
        self._watchers = set()
        self._pc = RTCPeerConnection()
        self._pc.on("track", self._on_track)

    async def run(self):
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._handle(json.loads(message.data))

    async def close(self):
        for watcher in self._watchers:
            watcher.cancel()
        await self._pc.close()

    async def _send(self, **message):
        await self._socket.send_str(json.dumps(message))

    async def _handle(self, message):
        kind = message["type"]
        if kind == "hello":
            await self._send(type="join-room", roomId=self._options.room, displayName=self._options.name, id="join")
        elif kind == "room-joined":
            for participant in message["participants"]:
                self._learn(participant)
            await self._offer()
        elif kind == "user-joined":
            self._learn(message["participant"])
        elif kind == "track-published":
            self._owners[message["track"]["trackId"]] = message["participantId"]
        elif kind == "answer-received":
            await self._pc.setRemoteDescription(RTCSessionDescription(**message["answer"]))
            report("joined")
        elif kind == "offer-received":
            await self._answer(message)
        elif kind == "message-received":
            self._read(message)
        elif kind == "error":
            await self._refused(message)

    def _learn(self, participant):
        self._names[participant["participantId"]] = participant["displayName"]
        self._say()
        for track in participant["tracks"]:
            self._owners[track["trackId"]] = participant["participantId"]

    async def _offer(self):
        self._channel = channel = self._pc.createDataChannel("chat")
        channel.on("open", self._say)
        channel.on("message", lambda text: self._read(json.loads(text)))
        self._pc.addTransceiver(PureTone(self._options.hz), direction="sendonly")
        self._pc.addTransceiver(PlainColor(self._options.color), direction="sendonly")
        await self._send_offer()

    async def _send_offer(self):
        await self._pc.setLocalDescription(await self._pc.createOffer())
        sources = {"audio": "microphone", "video": "camera"}
        tracks = [{"mid": t.mid, "source": sources[t.kind], "muted": False} for t in self._pc.getTransceivers() if t.sender.track]
        await self._send(type="offer", roomId=self._options.room, id="offer", offer=self._local(), tracks=tracks)

    async def _answer(self, message):
        await self._pc.setRemoteDescription(RTCSessionDescription(**message["offer"]))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        await self._send(type="answer", roomId=self._options.room, answer=self._local(), negotiationId=message["negotiationId"])

    async def _refused(self, message):
        sys.exit(f"the server refused: {message['code']}: {message['message']}")

    def _local(self):
        return {"type": self._pc.localDescription.type, "sdp": self._pc.localDescription.sdp}

    def _say(self):
        """Says its text once, to somebody: what is said before the other is there is history, which this client does not ask for."""
        is_open = self._channel and self._channel.readyState == "open"
        if is_open and not self._has_said and self._options.expect_name in self._names.values():
            self._has_said = True
            self._channel.send(json.dumps({"type": "send-message", "roomId": self._options.room, "text": self._options.say}))

    def _read(self, message):
        if message["type"] == "message-received" and message["text"] == self._options.expect_text:
            report("reads", sender=message["displayName"])

    def _on_track(self, track):
        watch = self._watch_video if track.kind == "video" else self._watch_audio
        self._watchers.add(asyncio.create_task(watch(track)))

    def _owner(self, track):
        return self._names.get(self._owners.get(track.id))

    async def _watch_video(self, track):
        async for frame in frames(track):
            near = all(abs(a - b) <= COLOR_TOLERANCE for a, b in zip(color_of(frame), self._options.expect_color))
            if near and self._owner(track) == self._options.expect_name:
                report("sees", color=color_of(frame))
                return await drain(track)

    async def _watch_audio(self, track):
        async for frame in frames(track):
            if share_of_tone(frame, self._options.expect_hz) >= TONE_SHARE and self._owner(track) == self._options.expect_name:
                report("hears", hz=self._options.expect_hz)
                return await drain(track)


async def frames(track):
    while True:
        yield await track.recv()


async def drain(track):
    """Goes on receiving, as a participant does, so that nothing piles up."""
    async for _ in frames(track):
        pass


def parse_arguments():
    def color(text):
        return [int(channel) for channel in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="of the server, e.g. http://127.0.0.1:8080")
    parser.add_argument("--room", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--color", type=color, required=True, help="to show: red,green,blue")
    parser.add_argument("--hz", type=float, required=True, help="to sound")
    parser.add_argument("--say", required=True, help="to write into the chat")
    parser.add_argument("--expect-name", required=True)
    parser.add_argument("--expect-color", type=color, required=True)
    parser.add_argument("--expect-hz", type=float, required=True)
    parser.add_argument("--expect-text", required=True)
    return parser.parse_args()


async def main():
    options = parse_arguments()
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{options.url}/ws") as socket:
        client = Client(options, socket)
        running = asyncio.create_task(client.run())
        end_of_input = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        done, _ = await asyncio.wait({running, end_of_input}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await client.close()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if end_of_input not in done:
            sys.exit("the server closed the connection")


if __name__ == "__main__":
    asyncio.run(main())
