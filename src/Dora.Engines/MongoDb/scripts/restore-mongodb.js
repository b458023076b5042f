// One step of a restore, on a server that only this pod reaches and that knows no users yet. Ends with 0 when it is done.
const fs = require('fs');
const { STAGE, STEP, REPLICA_SET, MEMBER, PORT, ADMIN_PASSWORD, ADMIN_USERNAME, CHECK, DATABASE } = process.env;
const on = (name) => db.getSiblingDB(name);

const steps = {
  answers: () => on('admin').runCommand({ ping: 1 }).ok === 1,

  // By an address that only this server has: its own name does not lead here.
  found() {
    const hello = on('admin').runCommand({ hello: 1 });
    if (!hello.setName) on('admin').runCommand({ replSetInitiate: { _id: REPLICA_SET, version: 1, members: [{ _id: 0, host: `127.0.0.1:${PORT}` }] } });
    return hello.isWritablePrimary === true;
  },

  // The set has one member, by its name. Users whom the operator made it makes again, with the passwords of this stack; of the
  // two administrators that take turns there is the one whom the stack's Secret names, and no other with a password of then.
  own() {
    on('local').runCommand({ update: 'system.replset', updates: [{ q: { _id: REPLICA_SET }, u: { $set: { members: [{ _id: 0, host: MEMBER }] } } }] });
    const users = on('admin').runCommand({ usersInfo: 1 }).users;
    const others = users.filter(({ user, customData }) => user !== ADMIN_USERNAME && (['admin', 'admin.b'].includes(user) || (customData && customData.managedBy === 'dora-operator')));
    for (const { user } of others) on('admin').runCommand({ dropUser: user });
    const known = users.some(({ user }) => user === ADMIN_USERNAME);
    on('admin').runCommand({ [known ? 'updateUser' : 'createUser']: ADMIN_USERNAME, pwd: ADMIN_PASSWORD, roles: [{ role: 'root', db: 'admin' }], mechanisms: ['SCRAM-SHA-256'] });
    return true;
  },

  validate() {
    for (const { name } of on('admin').runCommand({ listDatabases: 1 }).databases) {
      if (name === 'local') continue;
      const { cursor } = on(name).runCommand({ listCollections: 1, filter: { type: 'collection' }, cursor: { batchSize: 100000 } });
      for (const collection of cursor.firstBatch) {
        fs.writeFileSync(`${STAGE}/alive`, '');
        if (on(name).runCommand({ validate: collection.name }).valid !== true) throw new Error(`${name}.${collection.name} is not valid`);
      }
    }
    return true;
  },

  // A command as JSON: its count, its first documents, or all of its answer.
  check() {
    const { ok, $clusterTime, operationTime, ...answer } = on(DATABASE || 'admin').runCommand(EJSON.parse(fs.readFileSync(CHECK, 'utf8')));
    const told = answer.cursor ? answer.cursor.firstBatch : 'n' in answer ? answer.n : answer;
    console.log(EJSON.stringify(told, { relaxed: true }));
    return true;
  },
};

let done = false;
try {
  done = steps[STEP]();
} catch (error) {
  // Never all of the error: it may hold the command, and with it the password.
  console.error(error.codeName || (error.code ? `error ${error.code}` : error.message));
}
quit(done ? 0 : 1);
