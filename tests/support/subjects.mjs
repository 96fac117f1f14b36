// SPDX-License-Identifier: MIT
// Every subject that a message may have in the account of the service, beside what a test sends itself: for a spy.
const token = "[A-Za-z0-9_-]+";
const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

export const knownSubjects = [
  `lumin\\.user\\.v1\\.command\\.[^.]+\\.[^.]+\\.[^.]+`,
  `lumin\\.user\\.v1\\.event\\.${token}\\.${uuid}`,
  `lumin\\.user\\.v1\\.dead\\.${token}\\.${token}`,
  `lumin\\.user\\.v1\\.outcome\\.${uuid}`,
  `lumin\\.user\\.v1\\.reply\\.test-1\\.${uuid}`,
  `lumin\\.user\\.v1\\.door\\.${token}\\.[op]\\.(?:\\d+\\.)?${token}`,
  `_INBOX_lumin_(?:worker|gateway|setup|operator|command_publisher)\\..*`,
  `\\$SRV\\.(?:PING|INFO|STATS)(?:\\.lumin-user(?:\\.${token})?)?`,
  `\\$JS\\.API\\.INFO`,
  `\\$JS\\.API\\.STREAM\\.(?:INFO|CREATE|MSG\\.GET)\\.LUMIN_USER_(?:COMMANDS|EVENTS|DEAD)`,
  `\\$JS\\.API\\.CONSUMER\\.(?:CREATE|INFO|DELETE|MSG\\.NEXT)\\.LUMIN_USER_(?:COMMANDS|EVENTS)\\.${token}(?:\\..*)?`,
  `\\$JS\\.EVENT\\.ADVISORY\\.(?:API|CONSUMER\\.(?:CREATED|DELETED)\\.LUMIN_USER_[A-Z]+\\.${token})`,
].map((pattern) => new RegExp(`^${pattern}$`));
