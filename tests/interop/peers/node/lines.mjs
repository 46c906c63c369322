// JSON objects as lines on standard input and output: how peers are spoken to.
import { createInterface } from 'node:readline';

export class Lines {
  write(line) {
    process.stdout.write(JSON.stringify(line) + '\n');
  }
  event(name, details = {}) {
    this.write({ event: name, ...details });
  }
  result(result) {
    this.write({ result });
  }
  error(sentence) {
    this.write({ error: sentence });
  }

  /// Calls `handle` with each line until one says stop, or the input ends.
  async each(handle) {
    for await (const text of createInterface({ input: process.stdin })) {
      const line = JSON.parse(text);
      if (line.stop) break;
      await handle(line);
    }
  }
}
