"""Verifiers that do everything wrong, by a seed, and the invariants that hold whatever they do.

Rule: an invariant compares with what a verifier itself wrote down as it answered, never with the guard's own account.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from authguard.core.snapshot import Keys
from authguard.core.verification import Doubted, Failed, Passed, Unavailable
from tests.support.harness import POLICY, EnforcerHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.core.verification import Method
    from authguard.ports import Question
    from authguard.runtime.verification import NextStep

    Make = Callable[[int, "World"], EnforcerHarness]

#: seconds of a run's window; no run lasts as long
WINDOW: Final = 15 * 60
#: steps after which somebody who does as they are told has got somewhere
FAR: Final = 40
OUTAGES: Final = ("reset", "raises", "half", "none", "text", "true", "class", "timeout", "open", "times-out")
ANSWERS: Final = ("pass", "pass", "fail", "doubt", "flap", "nan")

_HEAD = POLICY[: POLICY.index("verifiers:\n")]
_VERIFIERS = "verifiers:\n" + "".join(
    f'  {name}: {{type: http, url: "http://127.0.0.1:9/{name}", pass_at: 0.9, fail_at: 0.4, timeout: 30s}}\n'
    for name in "abcde"
)
METHODS: Final = (
    ("{all: [a], attempts: 3, per: 15m}", "{all: [d], attempts: 2, per: 15m}"),
    ("{all: [a, b], attempts: 3, per: 15m}", "{any: [d, e], attempts: 2, per: 15m}"),
    ("{any: [a, b], attempts: 3, per: 15m}", "{all: [d, e], attempts: 2, per: 15m}"),
    ("{quorum: 2, of: [a, b, c], attempts: 3, per: 15m}", "{sequence: [d, e], attempts: 2, per: 15m}"),
    ("{sequence: [a, b, c], attempts: 3, per: 15m, backoff: 2s}", "{any: [d], attempts: 2, per: 15m}"),
    ("{any: [a, b, c], on_unavailable: ambiguous}", "{quorum: 1, of: [d, e], on_contradiction: failed}"),
    ("{all: [a, b], on_doubt: failed}", "{all: [d], on_unavailable: ambiguous}"),
)


def policy(number: int, verifiers: str = _VERIFIERS) -> str:
    """Give a policy with one way of combining."""
    default, alternate = METHODS[number % len(METHODS)]
    return f"{_HEAD}{verifiers}methods:\n  default: {default}\n  alternate: {alternate}\n"


@dataclass
class Truth:
    """What a verifier answered in truth to one question, and when: by a count, or by the loop's clock."""

    attempt: str
    session: str
    verifier: str
    said: str
    at: float


@dataclass
class World:
    """What all verifiers of a run share.

    Attributes:
        only_outages: whether no verifier ever answers while `calm` is unset.
        calm: whether they all work and know the customer.
        tick: seconds of the event loop to wait where something is waited for; 0 lets others go on.
        hedged: verifiers that two services answer at once, whichever is heard.
    """

    rng: random.Random
    only_outages: bool = False
    calm: bool = False
    truths: list[Truth] = field(default_factory=list)
    held: list[asyncio.Event] = field(default_factory=list)
    clock: Any = None
    tick: float = 0.0
    hedged: frozenset[str] = frozenset()

    def write(self, attempt: str, session: str, verifier: str, said: str, at: float = -1.0) -> None:
        """Write down what a verifier said in truth, and when it is heard; by count unless told."""
        self.truths.append(Truth(attempt, session, verifier, said, len(self.truths) if at < 0 else at))


class Chaos:
    """A verifier of a run."""

    max_duration = 30.0
    interactive = True

    def __init__(self, name: str, world: World, *, sends: bool) -> None:
        self.name = name
        self.world = world
        self.sends = sends
        self.mood = world.rng.choice(ANSWERS + OUTAGES)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def begin(self, question: Question) -> Any:
        """Send something, or not."""
        if self.world.calm or (not self.world.only_outages and self.world.rng.random() < 0.7):
            return Passed()
        self._write(question, "nothing")
        return self._outage(self.world.rng.choice(OUTAGES))

    async def verify(self, question: Question) -> Any:
        """Answer, late or never, rightly or not at all."""
        rng = self.world.rng
        if self.world.calm:
            return self._answer(question, "pass")
        if rng.random() < 0.3:
            self.mood = rng.choice(OUTAGES if self.world.only_outages else ANSWERS + OUTAGES)
        if rng.random() < 0.3:
            self.world.clock.advance(rng.choice((0.1, 2.0) if self.world.only_outages else (0.1, 2.0, 20.0)))
        if rng.random() < 0.4:
            gate = asyncio.Event()
            self.world.held.append(gate)
            await gate.wait()
        mood = self.mood
        if self.world.only_outages and mood not in OUTAGES:
            mood = "reset"
        if mood == "flap":
            mood = rng.choice(("pass", "fail", "doubt", "reset"))
        return self._answer(question, mood)

    def _answer(self, question: Question, mood: str) -> Any:
        if mood in {"pass", "fail", "doubt"}:
            self._write(question, mood)
            return {"pass": Passed(), "fail": Failed(), "doubt": Doubted(self.world.rng.random())}[mood]
        self._write(question, "nothing")
        return self._outage(mood)

    def _outage(self, mood: str) -> Any:
        match mood:
            case "reset":
                raise ConnectionResetError("by the chaos")
            case "raises":
                raise ValueError("by the chaos")
            case "times-out":
                raise TimeoutError
            case "timeout":
                return Unavailable("timeout")
            case "open":
                return Unavailable("open")
            case other:
                return {"half": {"verdict": "pas"}, "text": "passed", "true": True, "class": Passed, "nan": 0.99}.get(
                    other
                )

    def _write(self, question: Question, said: str) -> None:
        self.world.write(question.attempt, question.session, self.name, said)


class Broken(AssertionError):  # noqa: N818 - says what an invariant is
    """An invariant does not hold."""


def in_process(seed: int, world: World) -> EnforcerHarness:
    """Make a desk whose verifiers are asked without a service between."""
    chance = world.rng.random
    return EnforcerHarness(
        policy(seed), verifiers={name: Chaos(name, world, sends=chance() < 0.25) for name in "abcde"}
    )


class Run:
    """One customer with some sessions, some verifiers, and everything that can go wrong between them."""

    def __init__(self, seed: int, *, only_outages: bool = False, make: Make = in_process) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a test's dice
        self.world = World(self.rng, only_outages)
        self.desk = make(seed, self.world)
        self.world.clock = self.desk.clock
        self.tokens = [self.desk.login(sid=f"s{number}", acr="aal1") for number in range(3)]
        self.verified: set[bytes] = set()
        self.ends: list[str] = []

    async def go(self) -> None:
        """Let chaos reign, then peace; look at every invariant on the way."""
        running: list[asyncio.Task[Any]] = []
        for _ in range(self.rng.randint(4, 12)):
            running.extend(asyncio.create_task(self._answer()) for _ in range(self.rng.choice((1, 1, 1, 3))))
            for _ in range(self.rng.randint(1, 12)):
                await asyncio.sleep(self.world.tick)
            self._release(everybody=self.rng.random() < 0.5)
            await self._look()
            self.desk.clock.advance(self.rng.choice((0.0, 1.0, 5.0)))
        while not all(task.done() for task in running):
            self._release(everybody=True)
            await asyncio.sleep(self.world.tick)
        for task in running:
            task.result()  # whatever a verifier did, nothing is raised
        await self._look()
        self._attempts_are_within_bounds()
        await self._peace()

    def _release(self, *, everybody: bool) -> None:
        held = self.world.held
        self.rng.shuffle(held)
        for gate in held[: None if everybody else 1]:
            gate.set()
        del held[: None if everybody else 1]

    async def _answer(self) -> None:
        method = self.rng.choice(("default", "default", "alternate"))
        names = [name for name in "abcde" if self.world.only_outages or self.rng.random() < 0.6]
        token = self.rng.choice(self.tokens)
        if self.rng.random() < 0.2:
            await self.desk.ask("balance", token, method="GET")
        await self._say(token, method, {name: {"answer": "x"} for name in names})

    async def _say(self, token: bytes, method: str, answers: dict[str, dict[str, str]]) -> NextStep:
        chat = await self.desk.ask("chat", token)
        return await self.desk.enforcer.verifications.answer(chat, method, answers)

    def _keys(self, token: bytes) -> Keys:
        principal = self.desk.check.known[token].principal  # type: ignore[union-attr]  # a proven one
        return Keys(principal.account_key, principal.session_key)

    async def _look(self) -> None:
        """Find sessions that are verified now and were not: each has one attempt with the passes that it needs."""
        for token in self.tokens:
            keys = self._keys(token)
            snapshot = (await self.desk.enforcer.repository.load(keys)).snapshot
            if snapshot.session.verification != "verified":
                self.verified.discard(keys.session)
            elif keys.session not in self.verified:
                self.verified.add(keys.session)
                self._was_earned(keys.session.hex())

    def _attempts(self) -> dict[str, list[Truth]]:
        found: dict[str, list[Truth]] = {}
        for truth in self.world.truths:
            found.setdefault(truth.attempt, []).append(truth)
        return found

    def _method(self, truths: list[Truth]) -> Method:
        name = "default" if truths[0].verifier in "abc" else "alternate"
        return self.desk.policy.methods[name]

    def _was_earned(self, session: str) -> None:
        earned = [
            truths for truths in self._attempts().values() if truths[0].session == session and self._earns(truths)
        ]
        if not earned:
            raise Broken("verified without the passes that the method demands")
        for truths in earned:
            if not self._launders(truths):
                return
        raise Broken("doubt was laundered by another attempt of the same method")

    def _earns(self, truths: list[Truth]) -> bool:
        method = self._method(truths)
        first: dict[str, str] = {}
        for truth in truths:
            if truth.said != "nothing":
                first.setdefault(truth.verifier, truth.said)
                if truth.verifier in self.world.hedged and truth.said == "pass":
                    first[truth.verifier] = "pass"
        passes = sum(said == "pass" for said in first.values())
        contradicted = method.alternatives and "fail" in first.values()
        return passes >= method.need and not contradicted

    def _launders(self, truths: list[Truth]) -> bool:
        """Whether another attempt of the method, over before this one's first question, was left in doubt."""
        method = self._method(truths)
        for other in self._attempts().values():
            if other[0].attempt == truths[0].attempt or self._method(other).name != method.name:
                continue
            over = max(truth.at for truth in other) < min(truth.at for truth in truths)
            doubted = any(truth.said == "doubt" for truth in other)
            failed = any(truth.said == "fail" for truth in other)
            if over and doubted and not failed and method.on_doubt == "ambiguous" and not self._earns(other):
                return True
        return False

    def _attempts_are_within_bounds(self) -> None:
        vain = [
            truths
            for truths in self._attempts().values()
            if not self._earns(truths) and any(truth.said in {"fail", "doubt"} for truth in truths)
        ]
        bound = max(fallback.attempts for fallback in self.desk.policy.fallbacks.values() if fallback.kind == "verify")
        if len(vain) > bound:
            raise Broken(f"{len(vain)} attempts in vain where {bound} are allowed")

    async def _peace(self) -> None:
        """Let everything work again: who does as they are told gets in, to a person or a denial, never in a circle."""
        self.world.calm = True
        for token in self.tokens:
            self.ends.append(await self._end(token))
        if self.world.only_outages and set(self.ends) != {"allow"}:
            raise Broken(f"an outage locked somebody out: {self.ends}")

    async def _end(self, token: bytes) -> str:
        for _ in range(FAR):
            verdict = await self.desk.ask("balance", token, method="GET")
            fallback = verdict.fallback
            await self._look()
            match fallback.kind.value:
                case "allow" | "handoff" | "deny":
                    return fallback.kind.value
                case "retry":
                    self.desk.clock.advance(max(1.0, fallback.after, self._closed()))
                case "verify":
                    step = await self._say(token, fallback.methods[0], {})
                    for _ in range(FAR):
                        if not step.attempt:
                            break
                        answers = {name: {"answer": "x"} for name in step.wanted}
                        step = await self._say(token, fallback.methods[0], answers)
                    if step.fallback.kind == "retry":
                        self.desk.clock.advance(max(1.0, step.fallback.after))
                case other:
                    raise Broken(f"no next step: {other}")
        raise Broken("whoever does as they are told goes in a circle")

    @staticmethod
    def _closed() -> float:
        """Give the seconds for which the standard policy waits before it asks an unavailable service again."""
        return 121.0


def seeds(count: int) -> Iterator[int]:
    """Give the seeds of a test: always the same."""
    return iter(range(count))
