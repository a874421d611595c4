// The npm package `oidc-provider` as a process on loopback: ours are only its configuration and a robot for its login page.
//
// Rules: it listens on 127.0.0.1, writes one line {"issuer": ...} when it listens, and ends when its standard input does.
// Everything of a sign-in goes the standard way (authorization code, PKCE, resource indicators); who signs in and how
// strongly stands in `login_hint` and `acr_values`. `POST /control/rotate` is the operator's hand: new keys, and the old
// ones published or not.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider, interactionPolicy } from 'oidc-provider';

const SCOPES = 'chat orders:read refunds:write';
const CLIENTS = ['app-1', 'app-2'];
const port = Number(process.argv[2] ?? 0);
let made = 0;

function key(kind, options, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  made += 1;
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${process.pid}-${made}` };
}

const fresh = () => [
  key('ec', { namedCurve: 'P-256' }, 'ES256'),
  key('rsa', { modulusLength: 2048 }, 'RS256'),
  key('ed25519', {}, 'EdDSA'),
];

// resource -> how its access tokens look
const RESOURCES = {
  'https://other.test': { audience: 'https://other.test', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://agent.test/es256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://agent.test/rs256': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
  'https://agent.test/eddsa': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'EdDSA' } } },
  'https://agent.test/opaque': { accessTokenFormat: 'opaque' },
};

// a server on loopback, under whatever address a client asks for it: the audience is that, to the letter (RFC 8707)
const onLoopback = (resource) => (resource.startsWith('http://127.0.0.1:')
  ? { audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }
  : {});

// a resource server is told the standing of a sign-in (RFC 9470 section 6), in JWT and by introspection alike
function standing(ctx, token) {
  const source = ctx.oidc.entities.AuthorizationCode ?? ctx.oidc.entities.RefreshToken;
  return source && token.kind === 'AccessToken'
    ? { acr: source.acr, auth_time: source.authTime, sid: source.sessionUid, account_status: 'ok' }
    : undefined;
}

function provider(issuer, keys) {
  const policy = interactionPolicy.base();
  policy.get('consent').checks.clear(); // only a client that asks for it gets the page
  const made = new Provider(issuer, {
    jwks: { keys },
    clients: [
      ...CLIENTS.map((client_id) => ({
        client_id,
        token_endpoint_auth_method: 'none',
        redirect_uris: ['https://app.test/back'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      })),
      {
        client_id: 'mcp-client',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://localhost:9/back'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
      {
        client_id: 'agent-endpoint',
        client_secret: 'the resource server: loopback only',
        redirect_uris: [],
        grant_types: [],
        response_types: [],
      },
    ],
    acrValues: ['aal1', 'aal2', 'aal3'],
    claims: { openid: ['sub'], acr: null, auth_time: null, sid: null },
    scopes: ['openid', 'offline_access', ...SCOPES.split(' ')],
    clientBasedCORS: () => false,
    cookies: { keys: ['loopback only'] },
    extraTokenClaims: standing,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope(`openid offline_access ${SCOPES}`);
      for (const resource of [...Object.keys(RESOURCES), ctx.oidc.params.resource ?? []].flat()) grant.addResourceScope(resource, SCOPES);
      await grant.save();
      return grant;
    },
    ttl: {
      AccessToken: 600, AuthorizationCode: 60, Grant: 86_400, IdToken: 600, Interaction: 600,
      RefreshToken: 86_400, Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://agent.test/es256',
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          audience: 'https://agent.test', scope: SCOPES, ...(RESOURCES[resource] ?? onLoopback(resource)),
        }),
      },
    },
  });
  made.on('server_error', (_, problem) => console.error(problem));
  return made;
}

const server = createServer();
server.listen(port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let keys = fresh();
  let served = provider(issuer, keys);

  async function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, issuer);
    if (pathname === '/control/rotate') {
      const next = fresh();
      keys = searchParams.has('overlap') ? [...next, ...keys] : next;
      served = provider(issuer, keys);
      response.end();
    } else if (pathname.startsWith('/interaction/')) {
      const { params, prompt } = await served.interactionDetails(request, response);
      const acr = params.acr_values?.split(' ')[0] ?? 'aal1';
      const login = { accountId: params.login_hint ?? 'customer-1', acr };
      await served.interactionFinished(request, response, prompt.name === 'login' ? { login } : { consent: {} });
    } else {
      await served.callback()(request, response);
    }
  }

  server.on('request', (request, response) => {
    answer(request, response).catch((problem) => {
      console.error(problem);
      response.writeHead(500).end();
    });
  });
  console.log(JSON.stringify({ issuer }));
});

process.stdin.resume().on('end', () => process.exit(0));
