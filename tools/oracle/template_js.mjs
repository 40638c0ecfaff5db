// Renders chat templates with npm @huggingface/jinja, the second oracle of template_diff.py.
//
//   node template_js.mjs FOLDER_OF_NODE_MODULES < lines > lines
//
// A line in: {"source": template, "cases": [context, …]}; out: [text or {"error": message}, …].
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(process.argv[2] + "/");
const { Template } = await import(pathToFileURL(require.resolve("@huggingface/jinja")).href);

for await (const line of createInterface({ input: process.stdin })) {
  const { source, cases } = JSON.parse(line);
  const results = [];
  let template = null, broken = null;
  try {
    template = new Template(source);
  } catch (error) {
    broken = String(error.message ?? error);
  }
  for (const context of cases) {
    try {
      results.push(broken === null ? template.render(context) : { error: broken });
    } catch (error) {
      results.push({ error: String(error.message ?? error) });
    }
  }
  console.log(JSON.stringify(results));
}
