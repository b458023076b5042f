// Name and password are read here, so that they stand in no argument. A pod of an older stack version mounts no name.
const fs = require('fs');
const password = fs.readFileSync('/secret/admin-password', 'utf8').trim();
const user = fs.existsSync('/secret/admin-username') ? fs.readFileSync('/secret/admin-username', 'utf8').trim() : 'admin';
const admin = db.getSiblingDB('admin');
admin.auth({ user, pwd: password, mechanism: 'SCRAM-SHA-256' });
admin.adminCommand({ replSetStepDown: 60, secondaryCatchUpPeriodSecs: 10 });
