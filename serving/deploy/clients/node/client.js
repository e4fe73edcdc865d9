// node client.js HOST:PORT MODEL TEXT…
// needs: npm ci, and in this folder: python -m serving.deploy.proto_files protos
const path = require('path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const api = protoLoader.loadSync('tensorflow_serving/apis/prediction_service.proto', {
  includeDirs: [process.env.PROTOS || path.join(__dirname, 'protos')],
  keepCase: true,
  longs: Number,
  enums: String,
});
const {tensorflow} = grpc.loadPackageDefinition(api);

const [target, model, ...texts] = process.argv.slice(2);
const client = new tensorflow.serving.PredictionService(target, grpc.credentials.createInsecure(), {
  // The client's own limit is 4 MB, the server's two gigabytes.
  'grpc.max_receive_message_length': -1,
});
const request = {
  model_spec: {name: model},
  inputs: {
    text: {
      dtype: 'DT_STRING',
      tensor_shape: {dim: [{size: texts.length}]},
      string_val: texts.map((text) => Buffer.from(text, 'utf8')),
    },
  },
};
client.Predict(request, {deadline: Date.now() + 10_000}, (error, response) => {
  client.close();
  if (error) {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exitCode = 1;
    return;
  }
  const {label, score} = response.outputs;
  label.string_val.forEach((name, row) => {
    console.log(JSON.stringify({label: name.toString('utf8'), score: score.float_val[row]}));
  });
});
