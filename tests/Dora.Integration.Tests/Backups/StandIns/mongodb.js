#!/usr/bin/env node
// Stands in for mongod, mongosh, mongodump and mongorestore, by whichever name it is called. It keeps servers in files below $WORLD, takes only arguments and
// commands that are documented, and refuses what the real ones refuse. What it prints is worded as theirs is (MongoDB Database Tools 100.x).
const fs = require('fs');
const path = require('path');

const tool = path.basename(process.argv[1]);
const args = process.argv.slice(2);
const world = process.env.WORLD;
const magic = Buffer.from([0x6d, 0xe2, 0x99, 0x81]);
const terminator = Buffer.from([0xff, 0xff, 0xff, 0xff]);

function die(text) {
  console.error(text);
  process.exit(1);
}

function log(text) {
  console.error(`2026-11-21T03:00:00.000+0000\t${text}`);
}

// options ALLOWED: --name=value, --name value and --name; anything else ends the program, as it would the real one.
function options(withValue, flags) {
  const found = {};
  for (let i = 0; i < args.length; i++) {
    const [name, value] = args[i].includes('=') ? [args[i].slice(0, args[i].indexOf('=')), args[i].slice(args[i].indexOf('=') + 1)] : [args[i]];
    if (withValue.includes(name)) (found[name] ??= []).push(value ?? args[++i]);
    else if (flags.includes(name) && value === undefined) found[name] = true;
    else die(`Failed: error parsing command line options: unknown option "${args[i]}"`);
  }
  return (name) => (Array.isArray(found[name]) ? found[name].at(-1) : found[name]);
}

function server(port) {
  const place = path.join(world, String(port));
  if (!fs.existsSync(place)) die(`Failed: can't create session: failed to connect to mongodb://127.0.0.1:${port}/: connection refused`);
  const { dbpath, replSet } = JSON.parse(fs.readFileSync(place, 'utf8'));
  const file = path.join(dbpath, 'state.json');
  const state = JSON.parse(fs.readFileSync(file, 'utf8'));
  const save = () => {
    fs.writeFileSync(`${file}.new`, JSON.stringify(state));
    fs.renameSync(`${file}.new`, file);
  };
  const primary = () => !replSet || (state.config !== null && state.config.members.some(({ host }) => host === `127.0.0.1:${port}`));
  return { state, save, replSet, primary };
}

function mongod() {
  const option = options(['--dbpath', '--bind_ip', '--port', '--unixSocketPrefix', '--wiredTigerCacheSizeGB', '--setParameter', '--replSet'], []);
  const dbpath = option('--dbpath');
  if (!fs.existsSync(dbpath)) die(`{"s":"E","msg":"Data directory ${dbpath} not found."}`);
  const file = path.join(dbpath, 'state.json');
  if (!fs.existsSync(file)) fs.writeFileSync(file, JSON.stringify({ config: null, databases: {}, users: {} }));
  const place = path.join(world, option('--port'));
  fs.writeFileSync(place, JSON.stringify({ dbpath, replSet: option('--replSet') }));
  process.on('SIGTERM', () => {
    fs.unlinkSync(place);
    process.exit(0);
  });
  setInterval(() => {}, 1 << 30);
}

class MongoServerError extends Error {
  constructor(code, codeName) {
    super(codeName);
    Object.assign(this, { code, codeName });
  }
}

function commands(name, { state, replSet, primary }) {
  const collections = () => (state.databases[name] ??= {});
  const writable = () => {
    if (!primary()) throw new MongoServerError(10107, 'NotWritablePrimary');
  };
  return {
    ping: () => ({}),
    hello: () => ({ isWritablePrimary: primary(), ...(state.config && replSet ? { setName: state.config._id } : {}) }),
    replSetInitiate({ replSetInitiate: config }) {
      if (!replSet) throw new MongoServerError(76, 'NoReplicationEnabled');
      if (state.config) throw new MongoServerError(23, 'AlreadyInitialized');
      if (config._id !== replSet) throw new MongoServerError(93, 'InvalidReplicaSetConfig');
      state.config = config;
    },
    update({ update: collection, updates }) {
      if (name !== 'local' || collection !== 'system.replset' || replSet) throw new MongoServerError(13, 'Unauthorized');
      const [{ q, u }] = updates;
      if (state.config?._id === q._id) Object.assign(state.config, u.$set);
    },
    usersInfo: () => ({ users: Object.entries(state.users).map(([user, { customData }]) => ({ user, customData })) }),
    createUser({ createUser: user, pwd, roles, customData }) {
      writable();
      if (user in state.users) throw new MongoServerError(51003, 'Location51003');
      state.users[user] = { pwd, roles, customData };
    },
    updateUser({ updateUser: user, pwd, roles }) {
      writable();
      if (!(user in state.users)) throw new MongoServerError(11, 'UserNotFound');
      Object.assign(state.users[user], { pwd, roles });
    },
    dropUser({ dropUser: user }) {
      writable();
      if (!(user in state.users)) throw new MongoServerError(11, 'UserNotFound');
      delete state.users[user];
    },
    insert({ insert: collection, documents }) {
      writable();
      (collections()[collection] ??= []).push(...documents);
    },
    count: ({ count: collection }) => ({ n: (collections()[collection] ?? []).length }),
    listDatabases: () => ({ databases: [...Object.keys(state.databases), 'local'].map((database) => ({ name: database })) }),
    listCollections: () => ({ cursor: { firstBatch: Object.keys(collections()).map((collection) => ({ name: collection, type: 'collection' })) } }),
    validate: ({ validate: collection }) => ({ valid: !collections()[collection].some(({ damaged }) => damaged) }),
  };
}

function mongosh() {
  const script = args.at(-1);
  const uri = args.at(-2);
  if (args.slice(0, -2).join(' ') !== '--quiet --norc') die(`unknown arguments ${args.slice(0, -2)}`);
  const reached = server(new URL(uri).port);
  const db = {
    getSiblingDB: (name) => ({
      runCommand(command) {
        const run = commands(name, reached)[Object.keys(command)[0]];
        if (!run) throw new MongoServerError(59, 'CommandNotFound');
        return { ok: 1, ...run(command) };
      },
    }),
  };
  const quit = (code) => {
    reached.save();
    process.exit(code);
  };
  try {
    new Function('db', 'quit', 'require', 'process', 'console', 'EJSON', fs.readFileSync(script, 'utf8'))(db, quit, require, process, console, JSON);
    quit(0);
  } catch (error) {
    die(String(error));
  }
}

function mongodump() {
  const option = options(['--config', '--host', '--port', '--username', '--authenticationDatabase', '--authenticationMechanism', '--readPreference', '--sslCAFile'], ['--ssl', '--oplog', '--archive']);
  if ((fs.statSync(option('--config')).mode & 0o077) !== 0) die('the file with the password can be read by others');
  const { state, replSet } = server(option('--port'));
  const password = JSON.parse(/^password: (.*)$/m.exec(fs.readFileSync(option('--config'), 'utf8'))[1]);
  if (state.users[option('--username')]?.pwd !== password || option('--authenticationDatabase') !== 'admin')
    die(`2026-11-21T03:00:00.000+0000\tFailed: can't create session: failed to connect to mongodb://${option('--host')}:${option('--port')}/: connection() error occurred during connection handshake: auth error: sasl conversation error: unable to authenticate using mechanism "SCRAM-SHA-256": (AuthenticationFailed) Authentication failed.`);
  if (option('--oplog') && !replSet) die('2026-11-21T03:00:00.000+0000\tFailed: error getting oplog start: error getting recent oplog entry: mongo: no documents in result');
  process.stdout.write(Buffer.concat([magic, Buffer.from(JSON.stringify({ databases: state.databases, users: state.users }))]));
  log('writing admin.system.users to archive on stdout');
  log(`done dumping admin.system.users (${Object.keys(state.users).length} documents)`);
  for (const [database, collections] of Object.entries(state.databases)) {
    for (const [name, documents] of Object.entries(collections)) {
      if (documents.some(({ breaks }) => breaks)) {
        log('Failed: error writing data for collection to archive: connection(127.0.0.1) unexpected EOF');
        process.exit(1);
      }
      log(`done dumping ${database}.${name} (${documents.length} ${documents.length === 1 ? 'document' : 'documents'})`);
    }
  }
  process.stdout.write(terminator);
  log('writing captured oplog to ');
  log('\tdumped 1 oplog entry');
}

function mongorestore() {
  const option = options(['--host', '--port'], ['--archive', '--oplogReplay']);
  const archive = fs.readFileSync(0);
  log('preparing collections to restore from');
  if (archive.length < 4 || !archive.subarray(0, 4).equals(magic)) return die('2026-11-21T03:00:00.000+0000\tFailed: stream or file does not appear to be a mongodump archive');
  if (!archive.subarray(-4).equals(terminator)) return die('2026-11-21T03:00:00.000+0000\tFailed: corruption found in archive; unexpected EOF');
  const reached = server(option('--port'));
  if (!reached.primary()) return die('2026-11-21T03:00:00.000+0000\tFailed: (NotWritablePrimary) not primary');
  const { databases, users } = JSON.parse(archive.subarray(4, -4));
  for (const [database, collections] of Object.entries(databases)) {
    for (const [name, documents] of Object.entries(collections)) log(`finished restoring ${database}.${name} (${documents.length} ${documents.length === 1 ? 'document' : 'documents'}, 0 failures)`);
  }
  log('restoring users from archive on stdin');
  log('replaying oplog');
  log('applied 1 oplog entries');
  log('4 document(s) restored successfully. 0 document(s) failed to restore.');
  Object.assign(reached.state, { databases, users });
  reached.save();
}

({ mongod, mongosh, mongodump, mongorestore })[tool]();
