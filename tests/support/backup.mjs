// SPDX-License-Identifier: MIT
// A base backup and a WAL archive of a rig's PostgreSQL, and the way back to a named moment: what docs/operations.md
// tells an operator to do, with the same programs.
import fs from "node:fs";
import path from "node:path";
import { eventually, postgresBin, runOnce } from "./servers.mjs";

/** PostgreSQL settings of a rig that is to be backed up; `place` is the rig's. */
function archiving(archive) {
  return { archive_mode: "on", archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`, wal_level: "replica" };
}

export class Backup {
  /** Turns archiving on, and takes a base backup. */
  static async take(rig) {
    const backup = new Backup();
    const { place, postgres } = rig;
    backup.rig = rig;
    backup.archive = place.folder("archive");
    backup.base = path.join(place.folder("backup"), "base");
    fs.appendFileSync(path.join(postgres.folder, "pg_hba.conf"), "host replication postgres 127.0.0.1/32 trust\n");
    await postgres.restart({ settings: archiving(backup.archive) });
    const where = ["-h", "127.0.0.1", "-p", String(postgres.port), "-U", "postgres"];
    const options = ["-D", backup.base, "-X", "none", "-c", "fast", "--no-sync", "--no-manifest"];
    runOnce(`${postgresBin()}/pg_basebackup`, [...where, ...options], { user: place.user });
    return backup;
  }

  /** Names this moment; it can be gone back to once its WAL is in the archive. */
  async mark(name) {
    const [{ wal }] = await this.rig.sql(`SELECT pg_walfile_name(pg_create_restore_point('${name}')) AS wal`);
    await this.rig.sql("SELECT pg_switch_wal()");
    await eventually(() => fs.existsSync(path.join(this.archive, wal)), { timeout: 20_000, what: `${wal} archived` });
  }

  /** PostgreSQL as it was at that moment, as if all that came since had been lost with its disk. */
  async restore(name) {
    const { place, postgres } = this.rig;
    if (postgres.alive) await postgres.kill();
    fs.rmSync(postgres.folder, { recursive: true });
    runOnce("cp", ["-a", this.base, postgres.folder]);
    postgres.configure({
      ...archiving(this.archive),
      restore_command: `cp ${this.archive}/%f %p`,
      recovery_target_name: name,
      recovery_target_action: "promote",
    });
    fs.writeFileSync(path.join(postgres.folder, "recovery.signal"), "");
    place.give(postgres.folder);
    await postgres.begin();
    const promoted = async () => (await this.rig.sql("SELECT pg_is_in_recovery() AS still"))[0].still === false;
    await eventually(promoted, { timeout: 30_000, what: "the end of recovery" });
  }
}
