// A TypeScript MCP client as a process: it signs in by itself, lists the tools of a server and calls one.
//
// Rules: only the browser is ours. Discovery, registration, PKCE, `resource` and the token are the client's own work.
// Arguments: the package (`@modelcontextprotocol/client` or `/sdk`), the server's URL, and the client id if it is
// registered already. It writes one line {"tools": [...], "said": "...", "resource": "..."}.

const [name, address, registered] = process.argv.slice(2);
const sdk = name === '@modelcontextprotocol/client'
  ? await import(name)
  : {
      ...(await import(`${name}/client/index.js`)),
      ...(await import(`${name}/client/streamableHttp.js`)),
      ...(await import(`${name}/client/auth.js`)),
    };
const BACK = 'http://localhost:9/back';
const kept = { client: registered && { client_id: registered } };

// walk through the sign-in page, as a browser with cookies does
async function visit(url) {
  const cookies = new Map();
  let next = url;
  while (!next.href.startsWith(BACK)) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const answer = await fetch(next, { redirect: 'manual', headers: { cookie } });
    for (const one of answer.headers.getSetCookie()) {
      const [key, value] = one.split(';')[0].split('=');
      if (value) cookies.set(key, value);
      else cookies.delete(key);
    }
    if (!answer.headers.has('location')) throw new Error(`${answer.status} ${await answer.text()}`);
    next = new URL(answer.headers.get('location'), next);
  }
  return next;
}

const provider = {
  redirectUrl: BACK,
  clientMetadata: {
    client_name: 'an agent',
    redirect_uris: [BACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => kept.client,
  saveClientInformation: (given) => { kept.client = given; },
  tokens: () => kept.tokens,
  saveTokens: (given) => { kept.tokens = given; },
  saveCodeVerifier: (given) => { kept.verifier = given; },
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: async (url) => { kept.asked = url; kept.back = await visit(url); },
};

function transport() {
  return new sdk.StreamableHTTPClientTransport(new URL(address), { authProvider: provider });
}

const first = transport();
const client = new sdk.Client({ name: 'foreign', version: '1' });
try {
  await client.connect(first);
  throw new Error('the server let a client without a token in');
} catch (problem) {
  if (!(problem instanceof sdk.UnauthorizedError)) throw problem;
}
await first.finishAuth(kept.back.searchParams.get('code'), kept.back.searchParams.get('iss'));
const again = new sdk.Client({ name: 'foreign', version: '1' });
await again.connect(transport());
const { tools } = await again.listTools();
const called = await again.callTool({ name: 'whoami', arguments: {} });
console.log(JSON.stringify({
  tools: tools.map((tool) => tool.name),
  said: called.content[0].text,
  resource: kept.asked.searchParams.get('resource'),
}));
await again.close();
