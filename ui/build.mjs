// Builds the page's assets: `node build.mjs [output folder]`.
//
// Each file name carries a hash of the content, so that the files can be cached for ever;
// manifest.json says which is which. A package with a licence that is not listed here fails.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const output = resolve(process.argv[2] ?? join(here, "..", "faststream_integrations", "asyncapi", "static"));
const source = (name) => join(here, "src", name);

const LICENSES = new Set(["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "(MPL-2.0 OR Apache-2.0)"]);

/**
 * Modules of the AsyncAPI component, by their path, that this page has its own of. Its models, its
 * Info, Servers, Messages and Schemas, and its plugins stay.
 */
const OWN = {
  "components/Schema/Schema": "schema.tsx",
  "containers/AsyncApi/Layout": "layout.tsx",
  "containers/Messages/MessageExample": "message-example.tsx",
  "helpers/marked": "markdown.ts",
  "helpers/parser": "nothing.ts",
};
const COMPONENT = join(here, "node_modules/@asyncapi/react-component/lib/esm");

/** Puts modules of `src/` in the place of others, and leaves out what the page does not use. */
const replacements = {
  name: "replacements",
  setup(build) {
    const replaced = new Set();
    build.onResolve({ filter: /^@asyncapi\/parser(\/cjs\/document)?$/ }, () => ({
      path: source("parser.ts"),
    }));
    build.onResolve({ filter: /^isomorphic-dompurify$/ }, () => ({ path: source("markdown.ts") }));
    build.onResolve({ filter: /^(@stoplight\/|@asyncapi\/specs$|fast-xml-parser$)/ }, () => ({
      path: source("nothing.ts"),
    }));
    build.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      if (!resolveDir.startsWith(COMPONENT)) return undefined;
      const name = relative(COMPONENT, join(resolveDir, path)).replaceAll("\\", "/");
      if (!Object.hasOwn(OWN, name)) return undefined;
      replaced.add(name);
      return { path: source(OWN[name]) };
    });
    build.onEnd(() => {
      const missing = Object.keys(OWN).filter((name) => !replaced.has(name));
      if (!missing.length) return undefined;
      const text = `The AsyncAPI component has no ${missing.join(", ")} any more: see OWN in build.mjs.`;
      return { errors: [{ text }] };
    });
  },
};

const result = await build({
  absWorkingDir: here,
  entryPoints: { page: "src/main.tsx" },
  bundle: true,
  write: false,
  outdir: "out",
  metafile: true,
  minify: true,
  format: "iife",
  target: ["chrome103", "firefox102", "safari16"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "none",
  charset: "utf8",
  plugins: [replacements],
  logLevel: "warning",
});

const licenses = collectLicenses(Object.keys(result.metafile.inputs));

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const manifest = {};
for (const file of result.outputFiles) {
  const extension = file.path.endsWith(".css") ? "css" : "js";
  const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 16);
  manifest[`page.${extension}`] = `page-${hash}.${extension}`;
  writeFileSync(join(output, `page-${hash}.${extension}`), file.contents);
}
writeFileSync(join(output, "LICENSES.txt"), licenses);
writeFileSync(join(output, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
for (const name of readdirSync(output).sort()) {
  console.log(`${name} ${readFileSync(join(output, name)).length}`);
}

function collectLicenses(inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const match = /^(.*node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(input);
    if (match) folders.add(match[1].replaceAll("\\", "/"));
  }
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(here, folder, "package.json"), "utf8"),
    );
    if (!LICENSES.has(license)) {
      throw new Error(
        `${name} ${version} has the licence ${JSON.stringify(license)}, which build.mjs does not ` +
          "know. Check that it may be shipped, then add it to LICENSES.",
      );
    }
    const file = readdirSync(join(here, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(here, folder, file), "utf8").trim() : "";
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  const night = stylesheetNotice();
  return `${[...parts, night].join(`\n${"-".repeat(78)}\n\n`)}`;
}

/** The component's stylesheet carries a theme of another author, with its notice in a comment. */
function stylesheetNotice() {
  const path = join(here, "node_modules/@asyncapi/react-component/styles/default.css");
  const [, notice = ""] = existsSync(path)
    ? (/^\/\*([\s\S]*?)\*\//.exec(readFileSync(path, "utf8")) ?? [])
    : [];
  return `In the stylesheet of @asyncapi/react-component\n\n${notice.trim()}\n`;
}
