import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.confluent.connect.avro.AvroConverter;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;

/**
 * Reads partitions of topics from Kafka with the real Java classes and prints each record as a line of JSON.
 *
 * <p>{@code ReadBack BOOTSTRAP REGISTRY FORM {TOPIC PARTITION OFFSET}…} reads each from OFFSET to its end. FORM says how keys and values are
 * read: {@code text} as {@link WireText} shows them, {@code json} and {@code plain} by Connect's JsonConverter with and without
 * schemas, {@code connect} by Confluent's AvroConverter, {@code generic} by Confluent's KafkaAvroDeserializer. All but the first are
 * printed by {@link Shown}, so that what they read can be compared.
 */
public class ReadBack {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err); // what libraries print is no record
    Form form = Form.of(args[2], args[1]);
    Map<TopicPartition, Long> starts = new LinkedHashMap<>();
    for (int i = 3; i < args.length; i += 3) starts.put(new TopicPartition(args[i], Integer.parseInt(args[i + 1])), Long.parseLong(args[i + 2]));
    Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "isolation.level", "read_committed");
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
      for (TopicPartition partition : starts.keySet()) {
        consumer.assign(List.of(partition));
        consumer.seek(partition, starts.get(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        while (consumer.position(partition) < end) {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) out.println(line(form, record));
        }
      }
    }
    out.flush();
  }

  /** A record under the names that kcat gives its parts. */
  private static String line(Form form, ConsumerRecord<byte[], byte[]> record) throws Exception {
    ObjectNode line = MAPPER.createObjectNode();
    line.put("topic", record.topic());
    line.put("partition", record.partition());
    line.put("offset", record.offset());
    line.put("ts", record.timestamp());
    ArrayNode headers = line.putArray("headers");
    record.headers().forEach(h -> {
      headers.add(h.key());
      headers.add(h.value() == null ? null : new String(h.value(), StandardCharsets.UTF_8));
    });
    form.put(line, "key", record.topic(), record.key(), true);
    form.put(line, "payload", record.topic(), record.value(), false);
    return line.toString();
  }

  /** A way to read bytes. */
  private interface Form {
    void put(ObjectNode line, String name, String topic, byte[] bytes, boolean key) throws Exception;

    static Form of(String name, String registry) {
      return switch (name) {
        case "text" -> {
          WireText wire = new WireText(registry);
          yield (line, member, topic, bytes, key) -> line.put(member, wire.text(bytes));
        }
        case "json" -> converters(new JsonConverter(), new JsonConverter(), Map.of("schemas.enable", true));
        case "plain" -> converters(new JsonConverter(), new JsonConverter(), Map.of("schemas.enable", false));
        case "connect" -> converters(new AvroConverter(), new AvroConverter(), Map.of("schema.registry.url", registry));
        case "generic" -> {
          Map<String, Object> settings = Map.of("schema.registry.url", registry);
          KafkaAvroDeserializer keys = new KafkaAvroDeserializer();
          KafkaAvroDeserializer values = new KafkaAvroDeserializer();
          keys.configure(settings, true);
          values.configure(settings, false);
          yield (line, member, topic, bytes, key) -> line.set(member, Shown.avro((key ? keys : values).deserialize(topic, bytes)));
        }
        default -> throw new IllegalArgumentException("no such form: " + name);
      };
    }

    private static Form converters(Converter keys, Converter values, Map<String, Object> settings) {
      keys.configure(settings, true);
      values.configure(settings, false);
      return (line, member, topic, bytes, key) -> {
        var data = (key ? keys : values).toConnectData(topic, bytes);
        line.set(member, Shown.connect(data.schema(), data.value()));
      };
    }
  }
}
