// java Client HOST:PORT MODEL TEXT…   needs: what ./build makes
import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.StatusRuntimeException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.tensorflow.framework.DataType;
import org.tensorflow.framework.TensorProto;
import org.tensorflow.framework.TensorShapeProto;
import tensorflow.serving.Model.ModelSpec;
import tensorflow.serving.Predict.PredictRequest;
import tensorflow.serving.Predict.PredictResponse;
import tensorflow.serving.PredictionServiceGrpc;

public class Client {
  public static void main(String[] arguments) throws InterruptedException {
    String target = arguments[0], model = arguments[1];
    List<String> texts = Arrays.asList(arguments).subList(2, arguments.length);
    ManagedChannel channel =
        ManagedChannelBuilder.forTarget(target)
            .usePlaintext()
            // The client's own limit is 4 MB, the server's two gigabytes.
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .build();
    try {
      PredictResponse response =
          PredictionServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(10, TimeUnit.SECONDS)
              .predict(request(model, texts));
      TensorProto labels = response.getOutputsOrThrow("label");
      TensorProto scores = response.getOutputsOrThrow("score");
      for (int row = 0; row < labels.getStringValCount(); row++) {
        String label = labels.getStringVal(row).toStringUtf8().replace("\\", "\\\\").replace("\"", "\\\"");
        System.out.println("{\"label\": \"" + label + "\", \"score\": " + scores.getFloatVal(row) + "}");
      }
    } catch (StatusRuntimeException error) {
      System.err.println(error.getStatus().getCode() + ": " + error.getStatus().getDescription());
      System.exit(1);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static PredictRequest request(String model, List<String> texts) {
    TensorShapeProto.Dim rows = TensorShapeProto.Dim.newBuilder().setSize(texts.size()).build();
    TensorProto.Builder text =
        TensorProto.newBuilder()
            .setDtype(DataType.DT_STRING)
            .setTensorShape(TensorShapeProto.newBuilder().addDim(rows));
    texts.forEach(one -> text.addStringVal(ByteString.copyFromUtf8(one)));
    return PredictRequest.newBuilder()
        .setModelSpec(ModelSpec.newBuilder().setName(model))
        .putInputs("text", text.build())
        .build();
  }
}
