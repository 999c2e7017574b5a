import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;

/**
 * Bytes on the wire as text: what Confluent's Avro serialiser wrote as {"schema":…,"payload":…}, all else as UTF-8.
 *
 * <p>The schema is the text that the registry gives for the id; it stands for the id, which differs from registry to registry.
 * Bytes within a payload that are Avro themselves, as the data of a CloudEvent, are shown in the same way; others as hex digits.
 */
final class WireText {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private final SchemaRegistryClient registry;
  private final KafkaAvroDeserializer avro;

  /** For a registry's address; without one nothing is taken for Avro. */
  WireText(String url) {
    registry = url == null ? null : new CachedSchemaRegistryClient(url, 1000);
    avro = url == null ? null : new KafkaAvroDeserializer(registry);
  }

  String text(byte[] bytes) {
    if (bytes == null) return null;
    return isAvro(bytes) ? decoded(bytes).toString() : new String(bytes, StandardCharsets.UTF_8);
  }

  private boolean isAvro(byte[] bytes) {
    return avro != null && bytes.length > 5 && bytes[0] == 0;
  }

  private ObjectNode decoded(byte[] bytes) {
    ObjectNode node = MAPPER.createObjectNode();
    try {
      node.set("schema", MAPPER.readTree(registry.getSchemaById(ByteBuffer.wrap(bytes, 1, 4).getInt()).canonicalString()));
    } catch (IOException | RestClientException e) {
      throw new IllegalStateException("the registry does not give the schema", e);
    }
    Object value = avro.deserialize(null, bytes);
    put(node, "payload", value);
    return node;
  }

  private void put(ObjectNode in, String name, Object value) {
    switch (value) {
      case null -> in.putNull(name);
      case GenericRecord record -> {
        ObjectNode members = in.putObject(name);
        for (Schema.Field field : record.getSchema().getFields()) put(members, field.name(), record.get(field.pos()));
      }
      case ByteBuffer buffer -> {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        if (isAvro(bytes)) in.set(name, decoded(bytes));
        else in.put(name, HexFormat.of().formatHex(bytes));
      }
      case byte[] bytes -> in.put(name, HexFormat.of().formatHex(bytes));
      case Map<?, ?> map -> {
        ObjectNode members = in.putObject(name);
        for (Map.Entry<?, ?> entry : map.entrySet()) put(members, entry.getKey().toString(), entry.getValue());
      }
      case Iterable<?> items -> {
        var array = in.putArray(name);
        for (Object item : items) {
          ObjectNode one = MAPPER.createObjectNode();
          put(one, "", item);
          array.add(one.get(""));
        }
      }
      case Integer n -> in.put(name, n);
      case Long n -> in.put(name, n);
      case Float n -> in.put(name, n);
      case Double n -> in.put(name, n);
      case Boolean b -> in.put(name, b);
      default -> in.put(name, value.toString());
    }
  }
}
