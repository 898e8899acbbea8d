// Reads a list of documents from stdin, writes for each the list of its errors.
import parser from "@asyncapi/parser";
import { text } from "node:stream/consumers";

const ERROR = 0;
const documents = JSON.parse(await text(process.stdin));
const found = [];
for (const document of documents) {
  const diagnostics = await new parser.Parser().validate(document);
  found.push(
    diagnostics
      .filter(({ severity }) => severity === ERROR)
      .map(({ path, message }) => `${path.join(".")}: ${message}`),
  );
}
console.log(JSON.stringify(found));
