// The least that a Probot App can be: it handles the event, and does nothing.
export default (app) => {
  app.on("workflow_job", async () => {});
};
