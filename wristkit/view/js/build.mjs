// Bundles the viewer with uPlot into ../static; `npm install && npm run build` after any change here.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const sources = readdirSync(".").filter((name) => /\.(js|css|mjs|json)$/.test(name) && name !== "package-lock.json");
const whole = createHash("sha256");
for (const name of sources.sort()) whole.update(`${name}\n`).update(readFileSync(name));
const banner = `/* built from ${whole.digest("hex")} */`; // a test holds it against what lies here

const common = { bundle: true, minify: true, legalComments: "inline", target: "es2020", logLevel: "warning" };
await build({ ...common, entryPoints: ["main.js"], format: "esm", outfile: "../static/viewer.js", banner: { js: banner } });
await build({ ...common, entryPoints: ["main.css"], outfile: "../static/viewer.css", banner: { css: banner } });
copyFileSync("node_modules/uplot/LICENSE", "../static/LICENSE-uPlot.txt");
