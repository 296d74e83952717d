// Bundles the viewer and the gallery with uPlot into ../static; `npm install && npm run build` after any change here.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const sources = readdirSync(".").filter((name) => /\.(js|css|mjs|json)$/.test(name) && name !== "package-lock.json");
const whole = createHash("sha256");
for (const name of sources.sort()) whole.update(`${name}\n`).update(readFileSync(name));
const banner = `/* built from ${whole.digest("hex")} */`; // a test holds it against what lies here

const common = { bundle: true, minify: true, legalComments: "inline", target: "es2020", logLevel: "warning" };
for (const [entry, out] of [["main", "viewer"], ["gallery", "gallery"]]) {
  await build({ ...common, entryPoints: [`${entry}.js`], format: "esm", outfile: `../static/${out}.js`, banner: { js: banner } });
  await build({ ...common, entryPoints: [`${entry}.css`], outfile: `../static/${out}.css`, banner: { css: banner } });
}
copyFileSync("node_modules/uplot/LICENSE", "../static/LICENSE-uPlot.txt");
