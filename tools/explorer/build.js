// Build the program of the explorer's pages into the package: npm ci && npm run build.

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const there = new URL("../../tinygrad_cnn/graph/explorer/", here);

// What the program was made from: tests/test_explorer.py sees whether it is still that.
const sources = readdirSync(new URL("src/", here)).sort().map((name) => `src/${name}`);
const hash = createHash("sha256");
for (const name of ["package.json", ...sources]) hash.update(readFileSync(new URL(name, here)));

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/main.js", here))],
  bundle: true,
  format: "esm",
  minify: true,
  write: false,
  target: "es2022",
  charset: "utf8",
  legalComments: "none", // LICENSES.txt has them
});
const program = outputFiles[0].text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
writeFileSync(
  new URL("explorer.js", there),
  `// tools/explorer, sources ${hash.digest("hex")}; Graphviz and others: see LICENSES.txt\n${program}`,
);
copyFileSync(new URL("src/style.css", here), new URL("explorer.css", there));
