// libwebrtc, libdatachannel or werift as a peer; see ../README.md. --stack chooses; cases/NAME.mjs is what is done.
import { readdirSync } from 'node:fs';
import { Lines } from './lines.mjs';

const here = new URL('.', import.meta.url);
const names = (folder) => readdirSync(new URL(folder, here)).map((name) => name.replace('.mjs', ''));

function refuse(why) {
  console.error(`node peer: ${why}`);
  process.exit(2);
}

const options = {};
const words = process.argv.slice(2);
for (let i = 0; i < words.length; i += 2) {
  if (!words[i].startsWith('--') || i + 1 === words.length) refuse(`'${words[i]}' is no option with a value`);
  options[words[i].slice(2)] = words[i + 1];
}
if (!['offerer', 'answerer'].includes(options.role)) refuse(`--role is offerer or answerer, not '${options.role}'`);
for (const [option, folder] of [['stack', 'stacks'], ['case', 'cases']]) {
  if (!names(folder).includes(options[option])) refuse(`--${option} is one of: ${names(folder).join(' ')}`);
}

const lines = new Lines();
process.on('uncaughtException', (error) => lines.error(`${error.stack ?? error}`));
const stack = await import(`./stacks/${options.stack}.mjs`);
const { start } = await import(`./cases/${options.case}.mjs`);
// start() gives an object with handle(line) and close().
const running = start({ stack, lines, options, offerer: options.role === 'offerer' });
await lines.each((line) => running.handle(line));
running.close();
// The native stacks keep threads that would keep the process; the goodbye gets a moment to leave.
setTimeout(() => process.exit(0), 100);
