export const title = "first";
