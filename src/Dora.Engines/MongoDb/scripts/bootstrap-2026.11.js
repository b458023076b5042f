// One round of the bootstrap. Ends with 0 when all is done, with 1 when another round is needed.
const fs = require('fs');
const password = fs.readFileSync('/secret/admin-password', 'utf8').trim();
const admin = db.getSiblingDB('admin');

function log(text) {
  console.error(`${new Date().toISOString()} bootstrap: ${text}`);
}

// A member that copies or catches up already knows the administrator, or soon will.
function administratorIsKnown() {
  try {
    return admin.auth({ user: 'admin', pwd: password, mechanism: 'SCRAM-SHA-256' }).ok === 1;
  } catch (error) {
    return false;
  }
}

// Only member 0, and only where there never was data: an empty set beside the one that has the data would be a disaster.
// The server itself refuses when a member cannot be reached, or has data already.
function initiate() {
  if (!process.env.POD_NAME.endsWith('-0')) return;
  if (fs.readFileSync('/memory/initialized', 'utf8').trim() !== 'false') {
    log('this member has no replica set although the stack held data: waiting for the other members to take it in; if there are none, restore a backup');
    return;
  }
  const hosts = fs.readFileSync('/memory/members', 'utf8').trim().split('\n');
  const members = hosts.map((host, index) => ({ _id: index, host }));
  admin.adminCommand({ replSetInitiate: { _id: process.env.REPLICA_SET, version: 1, members } });
  log(`initiated ${process.env.REPLICA_SET} with ${hosts.length} members`);
}

function createAdministrator() {
  admin.adminCommand({
    createUser: 'admin',
    pwd: password,
    roles: [{ role: 'root', db: 'admin' }],
    mechanisms: ['SCRAM-SHA-256'],
    writeConcern: { w: 'majority', wtimeout: 10000 },
  });
  log('created the administrator');
}

function round() {
  const hello = admin.hello();
  if (!hello.setName) {
    initiate();
    return false;
  }
  if (administratorIsKnown()) return true;
  // The member that is primary now, whichever it is, creates the user.
  if (!hello.isWritablePrimary) return false;
  createAdministrator();
  return administratorIsKnown();
}

let done = false;
try {
  done = round();
} catch (error) {
  // Never the error itself: it may hold the command, and with it the password.
  log(`not yet: ${error.codeName || error.code || error.name}`);
}
quit(done ? 0 : 1);
