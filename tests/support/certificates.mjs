// SPDX-License-Identifier: MIT
// Certificates of authorities that each test makes for itself.
import path from "node:path";
import { runOnce } from "./processes.mjs";

const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];

/** An authority of that name in a folder: { ca, issue }. */
export function authority(folder, name) {
  const file = (what) => path.join(folder, `${name}-${what}.pem`);
  const [ca, caKey] = [file("ca"), file("ca-key")];
  runOnce("openssl", ["req", "-x509", ...key, "-subj", `/CN=${name}`, "-keyout", caKey, "-out", ca]);
  return {
    ca,
    /** A certificate for some names, "DNS:localhost" or "IP:127.0.0.1": { ca, cert, key }. */
    issue(owner, names) {
      const [request, cert, own] = [file(`${owner}-request`), file(owner), file(`${owner}-key`)];
      const alternatives = ["-addext", `subjectAltName=${names.join(",")}`];
      runOnce("openssl", ["req", ...key, "-subj", `/CN=${owner}`, ...alternatives, "-keyout", own, "-out", request]);
      const signing = ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-days", "2"];
      runOnce("openssl", [...signing, "-copy_extensions", "copy", "-out", cert]);
      return { ca, cert, key: own };
    },
  };
}
