// The conformance suite imports `globSync`, which Node 20 does not have, and uses it in none of the commands here.
import { register } from "node:module";

const fs = 'export * from "node:fs"; export { default } from "node:fs"; export const globSync = undefined;';
const url = (code) => "data:text/javascript," + encodeURIComponent(code);
const hook = `export const resolve = (name, context, next) =>
  name === "fs" ? { url: ${JSON.stringify(url(fs))}, shortCircuit: true } : next(name, context);`;
register(url(hook));
