// The command `sidx` on Node: `sidx.wasm`, transpiled by jco, with one directory mapped as /data.
//
//   npm install @bytecodealliance/jco@1.35.0 @bytecodealliance/preview2-shim@0.25.0
//   npx jco transpile sidx.wasm -o transpiled --name sidx
//   node sidx.mjs transpiled/sidx.js DIRECTORY query /data/STORE --index NAME --format ndjson
import { pathToFileURL } from 'node:url';
import { _setArgs } from '@bytecodealliance/preview2-shim/cli';
import { _setPreopens } from '@bytecodealliance/preview2-shim/filesystem';

const [transpiled, directory, ...words] = process.argv.slice(2);
_setPreopens({ '/data': directory });
_setArgs(['sidx', ...words]);
const { run } = await import(pathToFileURL(transpiled).href);
try {
  run.run();
} catch (error) {
  // That the command failed, it has told on stderr; anything else is a fault.
  if (error?.constructor?.name !== 'ComponentError') throw error;
  process.exitCode = 1;
}
