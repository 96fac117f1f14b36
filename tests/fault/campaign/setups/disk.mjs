// SPDX-License-Identifier: MIT
// The data of nats-server and PostgreSQL on file systems of their own, each in an image file: the power of a server can
// be cut (what the kernel had not written back is gone), and its disk can fill up. PostgreSQL syncs. The mounts are in
// the campaign's own namespace and go with it.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { eventually, runOnce } from "../../../support/servers.mjs";
import { PlainSetup } from "./plain.mjs";

const megabytes = { nats: 192, postgres: 384 };

function whyNoImages() {
  if (process.env.LUMIN_FAULTS_ALONE !== "1") return "it needs root, and unshare(1) for a mount namespace";
  const folder = fs.mkdtempSync("/tmp/lumin-faults-");
  try {
    const image = new Image(path.join(folder, "probe"), path.join(folder, "probe.img"), 16);
    image.make();
    image.mount();
    image.unmount();
    return null;
  } catch (error) {
    return `no image can be mounted: ${error.message.split("\n")[0]}`;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** A file system in a file, mounted at a folder. */
class Image {
  constructor(folder, file, size) {
    Object.assign(this, { folder, file, size });
  }

  make() {
    fs.mkdirSync(this.folder, { recursive: true });
    runOnce("truncate", ["-s", `${this.size}M`, this.file]);
    runOnce("mkfs.ext4", ["-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", this.file]);
  }

  mount() {
    runOnce("mount", ["-o", "loop", this.file, this.folder]);
  }

  unmount() {
    runOnce("umount", [this.folder]);
  }

  /** The file as it is now, without what the kernel still holds back; nobody may be writing. */
  copy() {
    runOnce("cp", ["--sparse=always", this.file, `${this.file}.cut`]);
  }

  /** What `copy` has kept takes the place of what is there. */
  async cut() {
    await eventually(() => (this.unmount(), true), { timeout: 10_000, what: `unmounting ${this.folder}` });
    fs.renameSync(`${this.file}.cut`, this.file);
    this.mount();
  }

  /** Takes all room but this much. */
  fill(left) {
    const { bavail, bsize } = fs.statfsSync(this.folder);
    const size = Math.max(1, bavail * bsize - left);
    spawnSync("fallocate", ["-l", `${size}`, path.join(this.folder, "filler")]);
  }

  empty() {
    fs.rmSync(path.join(this.folder, "filler"), { force: true });
  }
}

export class DiskSetup extends PlainSetup {
  static title = "disk";
  static share = 0.15;
  static why = whyNoImages;

  constructor() {
    super();
    this.has = new Set(["one server", "proxy", "disk"]);
  }

  postgresSettings() {
    return { fsync: "on", max_wal_size: "64MB", min_wal_size: "32MB", full_page_writes: "on" };
  }

  async begin(stage, t) {
    await super.begin(stage, t);
    const { nats, postgres, place } = stage.rig;
    this.images = {};
    for (const [name, server, folder] of [
      ["nats", nats, path.join(nats.folder, "store")],
      ["postgres", postgres, postgres.folder],
    ]) {
      await server.stop();
      const image = new Image(folder, path.join(place.data, `${name}.img`), megabytes[name]);
      this.images[name] = image;
      this.moveIn(image, place);
      t.after(async () => {
        await server.stop();
        await eventually(() => (image.unmount(), true), { timeout: 10_000 });
      });
      await server.begin();
    }
  }

  // What the folder held stands in the image from now on.
  moveIn(image, place) {
    const before = `${image.folder}.before`;
    fs.renameSync(image.folder, before);
    image.make();
    image.mount();
    runOnce("cp", ["-a", `${before}/.`, image.folder]);
    runOnce("sync", ["-f", image.folder]);
    fs.rmSync(before, { recursive: true });
    if (place.user) fs.chownSync(image.folder, place.user.uid, place.user.gid);
    fs.chmodSync(image.folder, 0o700);
  }

  /** Cuts the power of a server: it stands still, the disk is what it is, and it is gone. */
  async cutPower(stage, name) {
    const server = stage.rig[name];
    const pids = [server.pid, ...(server.children?.() ?? [])];
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    this.images[name].copy();
    await server.kill();
    await this.images[name].cut();
    this.images[name].empty(); // what had filled it, and was taken away, may be there again
  }

  async heal(stage) {
    for (const image of Object.values(this.images)) image.empty();
    await super.heal(stage);
  }
}
