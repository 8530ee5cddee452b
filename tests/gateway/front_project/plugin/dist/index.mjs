console.log("the Cloudflare plugin was loaded");

const fail = (hook) => () => {
  throw new Error(`a second runtime would start (${hook})`);
};

export const cloudflare = () => [
  { name: "vite-plugin-cloudflare", config: fail("config") },
  [Promise.resolve({ name: "vite-plugin-cloudflare:dev", configureServer: fail("configureServer") })],
];

export const more = "something that the stand-in does not have";
