// Wireshark, compiled for Node.js: a newer one than Debian's tshark, which knows no records of DTLS 1.3.

import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** A Wireshark, used over and over. */
export async function wireshark() {
  const silent = { print: () => {}, printErr: () => {}, handleStatus: () => {} };
  const locateFile = name => require.resolve(`@goodtools/wiregasm/dist/${name}`);
  const library = await require('@goodtools/wiregasm/dist/wiregasm.js')({ ...silent, locateFile });
  library.init();
  let files = 0;
  const put = file => {
    const name = `${library.getUploadDirectory()}/${files++}`;
    library.FS.writeFile(name, fs.readFileSync(file));
    return name;
  };
  return {
    /** The last column of all frames of a capture that match a display filter. `keys` is a key log. */
    infos(capture, filter, keys) {
      library.setPref('tls', 'keylog_file', keys ? put(keys) : '');
      library.applyPreferences();
      const session = new library.DissectSession(put(capture));
      const { code, error } = session.load();
      if (code !== 0) throw new Error(`Wireshark cannot read ${capture}: ${error}`);
      const { frames } = session.getFrames(filter, 0, 0);
      const found = [];
      for (let i = 0; i < frames.size(); i++) {
        const { columns } = frames.get(i);
        found.push(columns.get(columns.size() - 1));
      }
      session.delete();
      return found;
    },
  };
}
