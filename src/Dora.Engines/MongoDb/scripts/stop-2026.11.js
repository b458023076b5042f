// The password is read here, so that it stands in no argument.
const password = require('fs').readFileSync('/secret/admin-password', 'utf8').trim();
const admin = db.getSiblingDB('admin');
admin.auth({ user: 'admin', pwd: password, mechanism: 'SCRAM-SHA-256' });
admin.adminCommand({ replSetStepDown: 60, secondaryCatchUpPeriodSecs: 10 });
