#!/usr/bin/env node
// Stands in for MongoDB's shell: runs a script against a server that lives in a JSON file, and refuses what a real server refuses
// (localhost exception, initiation, primary). What it was told is kept in the file.
const fs = require('fs');

const script = process.argv[process.argv.length - 1];
const me = process.env.POD_NAME;
const state = JSON.parse(fs.readFileSync(process.env.STATE, 'utf8'));
let loggedIn = false;

class MongoServerError extends Error {
  constructor(code, codeName, message) {
    super(message || codeName);
    Object.assign(this, { name: 'MongoServerError', code, codeName });
  }
}

function save() {
  // As an election would, some time after the initiation.
  if (state.set && !state.primary && state.rounds++ > 0) state.primary = state.winner;
  state.arguments.push(process.argv.slice(2).join(' '));
  fs.writeFileSync(`${process.env.STATE}.new`, JSON.stringify(state));
  fs.renameSync(`${process.env.STATE}.new`, process.env.STATE);
}

const commands = {
  replSetInitiate({ replSetInitiate: config }) {
    if (state.set) throw new MongoServerError(23, 'AlreadyInitialized');
    if (config.members.some((member) => !state.reachable.includes(member.host))) throw new MongoServerError(74, 'NodeNotFound');
    state.set = config._id;
    state.members = config.members;
  },
  createUser({ createUser: user, pwd, roles, mechanisms }) {
    if (state.primary !== me) throw new MongoServerError(10107, 'NotWritablePrimary');
    if (user in state.users) throw new MongoServerError(51003, 'Location51003', `User ${user} with ${pwd} already exists`);
    if (roles[0].role !== 'root' || mechanisms[0] !== 'SCRAM-SHA-256') throw new MongoServerError(2, 'BadValue');
    state.users[user] = pwd;
  },
  replSetStepDown() {
    if (!loggedIn) throw new MongoServerError(13, 'Unauthorized');
    if (state.stubborn) throw new MongoServerError(262, 'ExceededTimeLimit');
    state.primary = null;
  },
};

const admin = {
  hello() {
    if (!state.set) return { isWritablePrimary: false, secondary: false, info: 'Does not have a valid replica set config' };
    return { setName: state.set, isWritablePrimary: state.primary === me, secondary: state.primary !== me };
  },
  auth({ user, pwd, mechanism }) {
    if (mechanism !== 'SCRAM-SHA-256' || state.users[user] !== pwd) throw new MongoServerError(18, 'AuthenticationFailed');
    loggedIn = true;
    return { ok: 1 };
  },
  adminCommand(command) {
    const name = Object.keys(command)[0];
    // The localhost exception closes with the first user.
    if (!loggedIn && Object.keys(state.users).length > 0) throw new MongoServerError(13, 'Unauthorized');
    commands[name](command);
    state.done.push(name);
    return { ok: 1 };
  },
};

const db = { getSiblingDB: (name) => (name === 'admin' ? admin : undefined) };
const quit = (code) => {
  save();
  process.exit(code);
};

try {
  new Function('db', 'quit', 'require', 'process', 'console', fs.readFileSync(script, 'utf8'))(db, quit, require, process, console);
  quit(0);
} catch (error) {
  console.error(String(error));
  quit(1);
}
