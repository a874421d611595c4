"""A policy that was proved and compiled: frozen values that requests run on, and nothing of the file's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, Literal

from authguard.core.cors import NO_CORS, Cors
from authguard.core.outcomes import Words
from authguard.core.record_codec import FINAL_TRANSACTION_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.agents import Agent
    from authguard.core.decision_table import Table
    from authguard.core.machine import Machine
    from authguard.core.outcomes import Fallback
    from authguard.core.request import Operation
    from authguard.core.timers import Timers
    from authguard.core.verification import Method

Durability = Literal["async", "group", "sync"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How an issuer is asked whether a token is active (RFC 7662).

    Attributes:
        url: of its endpoint.
        client_id: our name there.
        secret_env: name of the variable that holds our secret.
        cache: seconds that an answer is used again, ``exp`` at the most; 0 asks each time.
        always: whether its JWTs are asked about too, after their own check; else only tokens that are no JWT.
    """

    url: str
    client_id: str
    secret_env: str
    cache: float = 30.0
    always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who may speak.

    Attributes:
        issuer: ``iss``, compared exactly.
        audience: ``aud`` must hold it.
        algorithms: allowed ``alg`` names.
        discovery: keys by discovery (RFC 8414, OpenID Connect Discovery).
        jwks_uri: keys at this address; empty for none.
        key_file: keys in this file (a JWK Set); empty for none. Resolved against the policy's folder.
        secret_env: name of the variable that holds an HMAC secret (development only); empty for none.
        leeway: seconds of clock skew.
        stale_keys: seconds that known keys outlive an unreachable issuer.
        token: the kind that is taken, and no other: ``access``, ``id`` or ``assertion``.
        type: the ``typ`` header asked for of access tokens, ``at+jwt``, or ``any``.
        max_lifetime: seconds; a credential that claims to live longer is refused.
        renewal: what proves a fresh sign-in: ``auth_time``, ``sid`` or ``iat``.
        require: names of further claims that a token must have, beside ``iss``, ``aud``, ``exp`` and ``sub``.
        introspection: how it is asked; ``None`` where it is not.
        sender_constraint: ``dpop`` where its tokens count only with a proof of possession (RFC 9449), else ``none``.
        proof_window: seconds that a proof may be old.
        nonce: whether a proof has to name a nonce of ours (RFC 9449 9).
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    discovery: bool = False
    jwks_uri: str = ""
    key_file: str = ""
    secret_env: str = ""
    leeway: float = 30.0
    stale_keys: float = 86_400.0
    token: Literal["access", "id", "assertion"] = "access"  # noqa: S105 - a kind of token
    type: str = "at+jwt"
    max_lifetime: float = 3_600.0
    renewal: Literal["auth_time", "sid", "iat"] = "auth_time"
    require: tuple[str, ...] = ()
    introspection: Introspection | None = None
    sender_constraint: Literal["none", "dpop"] = "none"
    proof_window: float = 60.0
    nonce: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSource:
    """Where account states come from.

    Attributes:
        name: unique: ``claim:account_status``, ``python:module:function`` or ``http:ADDRESS``.
        claim: the claim's name; empty where it is asked.
        map: status -> account state, ``unrecognised`` where missing; empty where the source speaks our states.
        call: ``module:function``; empty for none.
        url: of an HTTP directory; empty for none.
        status_at: JSON Pointer to the status in its answer.
        true_at: JSON Pointer to the moment at which it was true, epoch seconds UTC; empty where it does not say.
        delegations_at: JSON Pointer to who may act for the account, in its answer or in the claims; empty for nobody.
        max_age: seconds that an answer is used again.
        timeout: seconds for one question.
        failures: in a row, after which the breaker opens; 0 for no breaker.
        open_for: seconds for which it stays open.
        max_concurrency: questions that are open at the same time at the most.
        bearer_env: name of the variable that holds our token; empty for none.
        certificate: file of our certificate; empty for none. Resolved against the policy's folder.
        key: file of its key.
        authority: file of the certificate authority that it is held to; empty for the usual ones.
    """

    name: str
    claim: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    call: str = ""
    url: str = ""
    status_at: str = "/status"
    true_at: str = ""
    delegations_at: str = ""
    max_age: float = 300.0
    timeout: float = 0.5
    failures: int = 0
    open_for: float = 0.0
    max_concurrency: int = 50
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


#: seconds before the first further question to a verifier; doubled for each further one
PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A service that answers "is it them?".

    Attributes:
        name: as the policy names it.
        type: ``http``, ``python``, ``totp``, ``kba`` or ``code``.
        url: of an HTTP service; empty for none.
        call: ``module:function``; empty for none.
        interactive: whether the customer has to answer something.
        timeout: seconds for one question.
        pass_at: the score from which on it is them, 0 to 1.
        fail_at: the score up to which it is not.
        retries: further questions where there was no answer.
        failures: in a row, after which the breaker opens; 0 for no breaker.
        open_for: seconds for which it stays open.
        max_concurrency: questions that are open at the same time at the most.
        hedge: where else to ask, an address or ``module:function``; empty for nowhere.
        hedge_after: seconds after which.
        request: where (JSON Pointer) to put what (``subject``, ``issuer``, ``session``, ``attempt``, ``channel``,
            ``answers``, ``answers.FIELD``); empty for the usual shape.
        answer_at: where in the answer it is said.
        answer_as: what is said there: a ``score`` from 0 to 1, whether it ``passed``, or a word for the ``verdict``.
        map: word -> ``passed``, ``failed``, ``doubted`` or ``unavailable``.
        bearer_env: name of the variable that holds our token for the service; empty for none.
        certificate: file of our certificate for it; empty for none. Resolved against the policy's folder.
        key: file of its key.
        authority: file of the certificate authority that the service is held to; empty for the usual ones.
        digits: of a ``totp`` or a ``code``.
        window: steps that the clock of a ``totp`` may be off, each way.
        expires: seconds for which a ``code`` counts.
        questions: of a ``kba``, all of which have to be answered.
    """

    name: str
    type: Literal["http", "python", "totp", "kba", "code"]
    url: str = ""
    call: str = ""
    interactive: bool = True
    timeout: float = 2.0
    pass_at: float = 1.0
    fail_at: float = 0.0
    retries: int = 0
    failures: int = 0
    open_for: float = 0.0
    max_concurrency: int = 50
    hedge: str = ""
    hedge_after: float = 0.0
    request: Mapping[str, str] = field(default_factory=dict)
    answer_at: str = "/score"
    answer_as: Literal["score", "passed", "verdict"] = "score"
    map: Mapping[str, str] = field(default_factory=dict)
    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""
    digits: int = 6
    window: int = 1
    expires: float = 300.0
    questions: tuple[str, ...] = ()

    @property
    def longest(self) -> float:
        """Seconds after which it has answered whatever happens: each question, the pauses, the hedge, a little more."""
        pauses = PAUSE * (2**self.retries - 1)
        return self.timeout * (self.retries + 1) + float(pauses) + self.hedge_after + 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """How sign-in strength is compared; ``acr`` has no order of its own (RFC 9470 9).

    Attributes:
        order: levels, weakest first.
        map: an issuer's ``acr`` value -> a level.
    """

    order: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)

    def rank(self, acr: str) -> int:
        """Give the level's place in the order, from 1; 0 for a value that the policy does not know."""
        level = self.map.get(acr, acr)
        return self.order.index(level) + 1 if level in self.order else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where the customer speaks from, and where trust may be carried.

    Attributes:
        header: the header that names the channel, lower-case; empty for none. Believed only beside the secret.
        secret_header: the header in which a gateway proves itself, lower-case; the app never sees it.
        secret_env: name of the variable that holds the secret, or several, separated by blanks.
        claim: the claim that names it; empty for none.
        paths: path template -> channel.
        trusts: channel -> the channels to which trust earned there carries.
        declared: whether the policy declares channels at all; if not, every request's channel is ``same``.
    """

    header: str = ""
    secret_header: str = ""
    secret_env: str = ""
    claim: str = ""
    paths: tuple[tuple[str, str], ...] = ()
    trusts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a policy makes of what it inherits, beside the lines that it adds.

    Attributes:
        fallbacks: inherited names that it answers with another kind.
        states: machine -> the states that it adds.
    """

    fallbacks: frozenset[str] = frozenset()
    states: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy, proved and compiled.

    Attributes:
        name: as the file names it.
        digest: SHA-256 (hex) of the merged document in canonical form; every record names it.
        machines: all five, total.
        initial: each machine's initial state.
        timers: arranged by state.
        table: proved to decide every cell.
        fallbacks: by name; ``allow`` is among them.
        on_fault: the fallback for a fault of the guard itself.
        operations: first match wins.
        otherwise: what nobody named is judged as, where the policy admits it.
        admits_unnamed: whether the policy does; else what nobody named is refused.
        issuers: ``iss`` -> issuer.
        agents: that may act for a subject, or alone.
        accounts: sources; empty means that every account is ``normal``.
        assurance: order and equivalence of levels.
        verifiers: services that prove identity, by name.
        methods: how they combine, by name.
        identity: the level at which a sign-in proves identity itself; empty where only verifiers do.
        channels: where the customer speaks from.
        request_budget: seconds; every await of the guard ends within it.
        body_budget: bytes of a body that the guard reads.
        nodes_budget: values of a JSON body that the guard reads: members, elements and the containers around them.
        in_flight_budget: requests of one account that are decided at once.
        max_held: transactions of one account that wait for approvers at once.
        durability: risk -> how a decision is kept before anything is admitted.
        pseudonymous: whether the log holds keyed hashes instead of subjects.
        public_windows: whether admissions to public operations are covered by window records above a rate.
        checkpoint_every: lines after which the log's checkpoint is signed.
        checkpoint_max_interval: seconds after which it is, if sooner.
        rotate_size: bytes at which a file of the log is closed.
        rotate_max_age: seconds after which it is, if sooner.
        log_retention: seconds for which its lines are kept; infinite for ever.
        response_retention: seconds for which first answers of transactions are kept.
        app_reports: account events that the app may report, ``account.STATE``.
        public_url: the origin that callers use; empty where the policy does not say.
        hosts: that a request may name; empty for any.
        root_path: what stands before the operations' paths; empty for what the server says.
        cors: what pages of other origins may do.
        rollback_roles: act (``engage``, ``release``) -> (role, count).
        rollback_message: what the customer is told while rolled back.
        staff_claim: the claim with the roles of staff, for `authguard.core.staff.roles`; empty where nobody is staff.
        staff_issuers: whose roles make staff.
        staff_roles: act (``reinstate``, ``reset``) -> the role that may; nobody where it is not there.
        origins: where things were written, ``file:line`` by ``rule:INDEX``, ``fallback:NAME``, ``line:MACHINE:INDEX``.
        file: the policy's own file, as `origins` names it; whatever stands elsewhere is inherited.
        changes: what it makes of what it inherits.
        strictness: account state -> its place in the list of states; the strictest report wins.
        coalesce: seconds by which the person's last act may lag in the store, a sixtieth of the shortest idle time.
        effect_scopes: effect -> the scopes that operations of that effect need, for ``restrict``.
        pulled_back: state of the service once an operator engaged the rollback.
        retention: seconds for which a record outlives its last change, so that nothing revives by being forgotten.
        windows: limit -> the seconds over which it counts.
        ended: states of a transaction that nothing leads out of but time, and within the retention.
        leases: method -> seconds after which nobody waits any more for an answer that its verifiers were asked for.
    """

    name: str
    digest: str
    machines: Mapping[str, Machine]
    timers: Timers
    table: Table
    fallbacks: Mapping[str, Fallback]
    on_fault: str
    operations: tuple[Operation, ...] = ()
    otherwise: Operation
    admits_unnamed: bool = False
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    agents: frozenset[Agent] = frozenset()
    accounts: tuple[AccountSource, ...] = ()
    assurance: Assurance = Assurance()
    identity: str = ""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    channels: Channels = Channels()
    request_budget: float = 2.0
    body_budget: int = 1_048_576
    nodes_budget: int = 50_000
    in_flight_budget: int = 64
    max_held: int = 20
    durability: Mapping[str, Durability] = field(default_factory=dict)
    pseudonymous: bool = True
    public_windows: bool = False
    checkpoint_every: int = 1_000
    checkpoint_max_interval: float = 10.0
    rotate_size: int = 67_108_864
    rotate_max_age: float = 604_800.0
    log_retention: float = inf
    response_retention: float = 86_400.0
    app_reports: frozenset[str] = frozenset()
    public_url: str = ""
    hosts: frozenset[str] = frozenset()
    root_path: str = ""
    cors: Cors = NO_CORS
    rollback_roles: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    rollback_message: Words = field(default_factory=Words)
    staff_claim: str = ""
    staff_issuers: frozenset[str] = frozenset()
    staff_roles: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: str = ""
    changes: Changes = Changes()
    initial: Mapping[str, str] = field(init=False)
    strictness: Mapping[str, int] = field(init=False)
    coalesce: float = field(init=False)
    effect_scopes: Mapping[str, frozenset[str]] = field(init=False)
    pulled_back: str = field(init=False)
    retention: float = field(init=False)
    windows: Mapping[str, float] = field(init=False)
    ended: frozenset[str] = field(init=False)
    leases: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Derive what requests ask for often."""
        derive = object.__setattr__
        derive(self, "initial", {name: machine.spec.initial for name, machine in self.machines.items()})
        derive(self, "strictness", {state: place for place, state in enumerate(self.machines["account"].spec.states)})
        idle = [timer.after for timer in self.timers.declared if timer.since == "last_seen"]
        derive(self, "coalesce", min(idle, default=60.0) / 60)
        scopes: dict[str, frozenset[str]] = {"read": frozenset(), "write": frozenset()}
        for operation in self.operations:
            scopes[operation.effect] |= operation.scopes
        derive(self, "effect_scopes", scopes)
        derive(self, "pulled_back", self.machines["service"].table[self.initial["service"], "engaged"].dest)
        derive(self, "retention", self._retention())
        derive(self, "ended", FINAL_TRANSACTION_STATES | set(self._lapsing()))
        limits = [limit for operation in self.operations for limit in operation.limits]
        derive(self, "windows", {limit.name: limit.per for limit in limits})
        derive(self, "leases", {name: self._lease(method) for name, method in self.methods.items()})

    @property
    def judged(self) -> tuple[Operation, ...]:
        """Every operation that a request can be judged as."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations

    def _lease(self, method: Method) -> float:
        """Tell how long one set of answers takes at the worst: each verifier sends, then answers, in its turn."""
        asked = [self.verifiers[name].longest for name in method.verifiers if name in self.verifiers]
        return 2 * (sum(asked) + self.request_budget)

    def _retention(self) -> float:
        """Tell how long a record may still be named (DESIGN 2, "Nothing revives by being forgotten").

        A session that was forgotten is met as a new one; its old sign-in must by then be older than the absolute
        time-out, so that the timer ends it on the same look. Where no such timer counts from the sign-in, or an
        issuer proves sign-ins by ``sid`` alone, nothing can be forgotten.
        """
        absolute = [
            timer.after
            for timer in self.timers.declared
            if timer.event == "session.aged" and timer.since == "signed_in" and not timer.states
        ]
        if not absolute or any(issuer.renewal == "sid" for issuer in self.issuers.values()):
            return float("inf")
        lives = [issuer.max_lifetime + 2 * issuer.leeway for issuer in self.issuers.values()]
        windows = [limit.per for operation in self.operations for limit in operation.limits]
        attempts = [fallback.per for fallback in self.fallbacks.values()]
        attempts += [method.per for method in self.methods.values()]
        return min(absolute) + max([*lives, *windows, *attempts, self.response_retention]) + 86_400.0

    def _lapsing(self) -> Iterator[str]:
        """Name the states of a transaction that end by themselves long before the record may be forgotten."""
        table = self.machines["transaction"].table
        for (machine, state), timers in self.timers.armed.items():
            if machine != "transaction":
                continue
            first = min(timers, key=lambda timer: timer.after)
            leads = table[state, first.event.partition(".")[2]].dest
            if leads in FINAL_TRANSACTION_STATES and first.moment == "entered" and first.after < self.retention:
                yield state

    def counts_idle(self, state: str) -> bool:
        """Whether a timer counts from the person's last act while the session is in a state."""
        return any(timer.moment == "last_seen" for timer in self.timers.armed.get(("session", state), ()))
