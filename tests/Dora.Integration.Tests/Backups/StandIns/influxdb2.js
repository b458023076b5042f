#!/usr/bin/env node
// Stands in for influxd and influx 2.7, by whichever name it is called: a server that keeps its state in its bolt file, and a client that speaks to it by the
// documented API. Takes only arguments that are documented.
const fs = require('fs');
const http = require('http');
const path = require('path');

const args = process.argv.slice(2);
const env = process.env;
const system = [{ name: '_monitoring', type: 'system' }, { name: '_tasks', type: 'system' }];

function die(text) {
  console.error(`Error: ${text}`);
  process.exit(1);
}

function influxd() {
  if (args.join(' ') !== 'run' || env.INFLUXD_NO_TASKS !== 'true') die(`unknown arguments ${args}`);
  const file = env.INFLUXD_BOLT_PATH;
  fs.mkdirSync(env.INFLUXD_ENGINE_PATH, { recursive: true });
  const read = () => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : { tokens: [], buckets: [] });
  const write = (state) => fs.writeFileSync(file, JSON.stringify(state));
  const answers = {
    'GET /api/v2/setup': (state) => [200, { allowed: state.tokens.length === 0 }],
    'POST /api/v2/setup': (state, { token, bucket, username, password, org }) => {
      if (state.tokens.length > 0) return [422, { code: 'conflict', message: 'onboarding has already been completed' }];
      if (!username || !org || !bucket || password.length < 8) return [400, { code: 'invalid' }];
      write({ tokens: [token], buckets: [...system, { name: bucket, type: 'user' }] });
      return [201, {}];
    },
    'GET /api/v2/buckets': (state) => [200, { buckets: state.buckets.map((bucket) => ({ ...bucket, retentionRules: [], labels: [] })) }],
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
      const call = `${request.method} ${request.url.split('?')[0]}`;
      const open = call.endsWith('/setup') || state.tokens.map((token) => `Token ${token}`).includes(request.headers.authorization);
      const [status, body] = !open ? [401, { code: 'unauthorized', message: 'unauthorized access' }] : answers[call](state, parts.length ? JSON.parse(Buffer.concat(parts)) : null);
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
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
