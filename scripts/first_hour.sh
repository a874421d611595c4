#!/usr/bin/env bash
# A developer's first hour, measured: from `pip install` of the wheel to a guarded chat with a token as Keycloak writes it.
#
# usage: scripts/first_hour.sh [WHEEL]     without WHEEL, one is built from the checkout first
#
# Rules: everything happens in a temporary folder, which is removed at the end; only public commands are used; only the
# server that was started here is ended. PYTHON names another interpreter, PIP_CONSTRAINT pins versions.
set -euo pipefail

ISSUER=https://keycloak.example/realms/shop
LIMIT_S=300

checkout=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
folder=$(mktemp -d)
server=

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

fail() {
    echo "failed: $1" >&2
    exit 1
}

step() {
    printf '%4d s  %s\n' "$SECONDS" "$1"
}

cd "$folder"
if [ $# -gt 0 ]; then
    wheel=$1
else
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist "$checkout"
    wheel=$(echo dist/authguard-*.whl)
fi
[ -f "$wheel" ] || fail "there is no wheel at $wheel"

SECONDS=0
step "install the wheel in a new environment"
"$python" -m venv venv
# shellcheck disable=SC1091 # created by the line above
. venv/bin/activate
pip install --quiet --disable-pip-version-check "${wheel}[testing]"

step "mint a token as Keycloak writes it, with a trial key"
authguard token mint --provider keycloak --issuer "$ISSUER" --audience shop >access-token
authguard token mint --provider keycloak --issuer "$ISSUER" --audience shop --kind id >id-token
authguard token mint --provider keycloak --issuer "$ISSUER" --audience other >foreign-token

step "write a policy for Keycloak, check it and run its scenarios"
authguard policy init shop --provider keycloak --issuer "$ISSUER" --audience shop --keys trial-keys.json --yes
authguard policy check shop
authguard policy test shop

step "check the token against the policy"
authguard token check shop <access-token >accepted
head -n 1 accepted
authguard token check shop <id-token >refused && fail "an ID token was accepted"
head -n 1 refused

step "start a guarded app"
cat >app.py <<'APP'
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard


async def chat(request):
    return JSONResponse({"reply": f"Hello {request.state.authguard.subject}."})


app = AuthGuard(Starlette(routes=[Route("/chat", chat, methods=["POST"])]), policy="shop/policy.yaml")
APP
port=$(python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
uvicorn app:app --port "$port" --log-level warning &
server=$!

step "chat"
cat >chat.py <<'CHAT'
import sys
from pathlib import Path

import httpx2

http = httpx2.Client(transport=httpx2.HTTPTransport(retries=9))    # the server may still be starting
for name, expected in (("", 401), ("id-token", 401), ("foreign-token", 401), ("access-token", 200)):
    headers = {"Authorization": f"Bearer {Path(name).read_text().strip()}"} if name else {}
    answer = http.post(f"http://127.0.0.1:{sys.argv[1]}/chat", headers=headers)
    print(f"        {name or 'no credential'}: {answer.status_code} {answer.text if answer.status_code == 200 else ''}")
    if answer.status_code != expected:
        sys.exit(f"{name or 'no credential'}: expected {expected}: {answer.text}")
CHAT
python chat.py "$port"

step "read and verify the audit log"
authguard audit query --outcome challenge
authguard audit verify >verified
head -n 1 verified

step "done"
[ "$SECONDS" -lt "$LIMIT_S" ] || fail "it took $SECONDS s, more than $LIMIT_S s"
