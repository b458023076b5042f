#!/usr/bin/env node
// Stands in for influxd and influx 2.7, by whichever name it is called: a server that keeps its state in its bolt file, and a client that speaks to it by the
// documented API. Takes only arguments that are documented.
const fs = require('fs');
const http = require('http');
const path = require('path');

const args = process.argv.slice(2);
const env = process.env;
const owners = (state) => state.users.filter(({ owner }) => owner);
const system = [{ name: '_monitoring', type: 'system' }, { name: '_tasks', type: 'system' }];

function die(text) {
  console.error(`Error: ${text}`);
  process.exit(1);
}

function influxd() {
  if (args.join(' ') !== 'run' || env.INFLUXD_NO_TASKS !== 'true') die(`unknown arguments ${args}`);
  const file = env.INFLUXD_BOLT_PATH;
  fs.mkdirSync(env.INFLUXD_ENGINE_PATH, { recursive: true });
  const read = () => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : { tokens: [], buckets: [], users: [] });
  let last = 0;
  const identity = () => `0b${String(process.pid).padStart(8, '0')}${String((last += 1)).padStart(6, '0')}`;
  const write = (state) => fs.writeFileSync(file, JSON.stringify(state));
  const answers = {
    'GET /api/v2/setup': (state) => [200, { allowed: state.tokens.length === 0 }],
    'POST /api/v2/setup': (state, { token, bucket, username, password, org }) => {
      if (state.tokens.length > 0) return [422, { code: 'conflict', message: 'onboarding has already been completed' }];
      if (!username || !org || !bucket || password.length < 8) return [400, { code: 'invalid' }];
      write({ tokens: [token], org: { id: identity(), name: org }, buckets: [...system, { name: bucket, type: 'user' }], users: [{ id: identity(), name: username, password, owner: true }] });
      return [201, {}];
    },
    'GET /api/v2/buckets': (state) => [200, { buckets: state.buckets.map((bucket) => ({ ...bucket, retentionRules: [], labels: [] })) }],
    'GET /api/v2/orgs': (state, _, query) => (query.get('org') === state.org.name ? [200, { orgs: [{ links: { self: `/api/v2/orgs/${state.org.id}` }, ...state.org }] }] : [404, { code: 'not found' }]),
    'GET /api/v2/users': (state, _, query) => {
      const found = state.users.filter(({ name }) => name === query.get('name'));
      return found.length ? [200, { users: found.map(({ id, name }) => ({ links: { self: `/api/v2/users/${id}` }, id, name, status: 'active' })) }] : [404, { code: 'not found', message: 'user not found' }];
    },
    'POST /api/v2/users': (state, { name }) => {
      if (!name || state.users.some((user) => user.name === name)) return [422, { code: 'conflict' }];
      const user = { id: identity(), name };
      write({ ...state, users: [...state.users, user] });
      return [201, user];
    },
    'POST /api/v2/users/:id/password': (state, { password }, _, id) => {
      const user = state.users.find((one) => one.id === id);
      if (!user) return [404, { code: 'not found' }];
      if (!password || password.length < 8 || password.length > 72) return [400, { code: 'invalid' }];
      user.password = password;
      write(state);
      return [204];
    },
    'POST /api/v2/orgs/:id/owners': (state, { id: user }, _, org) => {
      const added = state.users.find(({ id }) => id === user);
      if (!added || org !== state.org.id) return [404, { code: 'not found' }];
      if (owners(state).includes(added)) return [422, { code: 'conflict' }];
      added.owner = true;
      write(state);
      return [201, { id: user, role: 'owner' }];
    },
    'GET /everything': (state) => [200, state],
    'POST /api/v2/restore/kv': (state, restored) => {
      write(restored);
      return [200, { token: restored.tokens[0] }];
    },
  };
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const state = read();
      const url = new URL(request.url, 'http://here');
      const id = (url.pathname.match(/^\/api\/v2\/\w+\/([0-9a-f]{16})\//) ?? [])[1];
      const call = `${request.method} ${id ? url.pathname.replace(id, ':id') : url.pathname}`;
      const open = call.endsWith('/setup') || state.tokens.map((token) => `Token ${token}`).includes(request.headers.authorization);
      const [status, body] = !open ? [401, { code: 'unauthorized', message: 'unauthorized access' }] : answers[call](state, parts.length ? JSON.parse(Buffer.concat(parts)) : null, url.searchParams, id);
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(body && JSON.stringify(body));
    });
  });
  const [host, port] = env.INFLUXD_HTTP_BIND_ADDRESS.split(':');
  server.listen(Number(port), host);
  process.on('SIGTERM', () => process.exit(0));
}

async function call(method, route, body) {
  const answer = await fetch(`${env.INFLUX_HOST}${route}`, { method, body: body && JSON.stringify(body), headers: { Authorization: `Token ${env.INFLUX_TOKEN}` } }).catch((error) => die(error.message));
  if (!answer.ok) die(`failed to call ${route}: ${answer.status} ${(await answer.json()).message}`);
  return answer.json();
}

const commands = {
  async backup([folder, ...rest]) {
    if (rest.length > 0) die(`unknown arguments ${rest}`);
    const state = await call('GET', '/everything');
    fs.writeFileSync(path.join(folder, '20261121T030000Z.bolt'), JSON.stringify(state));
    if (env.BREAKS) die('failed to backup shard 1: unexpected EOF');
    fs.writeFileSync(path.join(folder, '20261121T030000Z.manifest'), JSON.stringify({ kv: {}, buckets: state.buckets.map(({ name }) => ({ bucketName: name })) }, null, 2));
  },
  async restore([flag, folder, ...rest]) {
    if (flag !== '--full' || rest.length > 0) die(`unknown arguments ${flag} ${rest}`);
    const manifest = fs.readdirSync(folder).find((name) => name.endsWith('.manifest')) ?? die('no manifest');
    await call('POST', '/api/v2/restore/kv', JSON.parse(fs.readFileSync(path.join(folder, manifest.replace('.manifest', '.bolt')), 'utf8')));
  },
  async query([raw, flag, file]) {
    if (raw !== '--raw' || flag !== '--file') die('unknown arguments');
    if (!fs.readFileSync(file, 'utf8').startsWith('from(')) die('failed to execute query: 400 Bad Request: compilation failed');
    process.stdout.write('#datatype,string,long,long\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,42\r\n\r\n');
  },
};

if (path.basename(process.argv[1]) === 'influxd') influxd();
else commands[args[0]](args.slice(1));
