import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.LogicalTypes;
import org.apache.avro.generic.GenericContainer;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * What a consumer got, as {"type":…,"value":…}: the name of the semantic type, else of the plain one, and the value as text, an
 * object of members, or a list. Connect's data and Avro's are shown alike; data without schemas are only the value.
 */
final class Shown {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private Shown() {}

  static JsonNode connect(Schema schema, Object value) {
    if (schema == null) return plain(value);
    return typed(schema.name() != null ? schema.name() : schema.type().getName(), connectValue(schema, value));
  }

  private static JsonNode connectValue(Schema schema, Object value) {
    if (value == null) return NullNode.instance;
    return switch (schema.type()) {
      case STRUCT -> {
        ObjectNode members = JSON.objectNode();
        for (Field field : schema.fields()) members.set(field.name(), connect(field.schema(), ((Struct) value).getWithoutDefault(field.name())));
        yield members;
      }
      case ARRAY -> {
        ArrayNode items = JSON.arrayNode();
        for (Object item : (List<?>) value) items.add(connect(schema.valueSchema(), item));
        yield items;
      }
      case MAP -> {
        ObjectNode entries = JSON.objectNode();
        ((Map<?, ?>) value).forEach((k, v) -> entries.set(k.toString(), connect(schema.valueSchema(), v)));
        yield entries;
      }
      default -> simple(value);
    };
  }

  /** A GenericRecord, or a value that stands alone. */
  static JsonNode avro(Object value) {
    if (value == null) return NullNode.instance;
    if (value instanceof GenericContainer container) return avro(container.getSchema(), value);
    return simple(value);
  }

  private static JsonNode avro(org.apache.avro.Schema schema, Object value) {
    org.apache.avro.Schema one = schema;
    if (schema.getType() == org.apache.avro.Schema.Type.UNION) {
      one = schema.getTypes().stream().filter(s -> s.getType() != org.apache.avro.Schema.Type.NULL).findFirst().orElseThrow();
    }
    String type = one.getProp("connect.name");
    if (type == null) type = one.getProp("connect.type");
    if (type == null) type = switch (one.getType()) {
      case INT -> "int32";
      case LONG -> "int64";
      case FLOAT -> "float32";
      case DOUBLE -> "float64";
      case RECORD -> one.getFullName();
      default -> one.getType().getName();
    };
    return typed(type, avroValue(one, value));
  }

  private static JsonNode avroValue(org.apache.avro.Schema schema, Object value) {
    if (value == null) return NullNode.instance;
    if (schema.getLogicalType() instanceof LogicalTypes.Decimal decimal) {
      return simple(new Conversions.DecimalConversion().fromBytes((ByteBuffer) value, schema, decimal));
    }
    return switch (schema.getType()) {
      case RECORD -> {
        ObjectNode members = JSON.objectNode();
        for (org.apache.avro.Schema.Field field : schema.getFields()) members.set(field.name(), avro(field.schema(), ((GenericRecord) value).get(field.pos())));
        yield members;
      }
      case ARRAY -> {
        ArrayNode items = JSON.arrayNode();
        for (Object item : (Iterable<?>) value) items.add(avro(schema.getElementType(), item));
        yield items;
      }
      case MAP -> {
        ObjectNode entries = JSON.objectNode();
        ((Map<?, ?>) value).forEach((k, v) -> entries.set(k.toString(), avro(schema.getValueType(), v)));
        yield entries;
      }
      default -> simple(value);
    };
  }

  private static JsonNode plain(Object value) {
    if (value instanceof Map<?, ?> map) {
      ObjectNode entries = JSON.objectNode();
      map.forEach((k, v) -> entries.set(k.toString(), plain(v)));
      return entries;
    }
    if (value instanceof List<?> list) {
      ArrayNode items = JSON.arrayNode();
      for (Object item : list) items.add(plain(item));
      return items;
    }
    return value == null ? NullNode.instance : simple(value);
  }

  private static JsonNode typed(String type, JsonNode value) {
    ObjectNode node = JSON.objectNode();
    node.put("type", type);
    node.set("value", value);
    return node;
  }

  private static JsonNode simple(Object value) {
    return TextNode.valueOf(switch (value) {
      case BigDecimal decimal -> decimal.toPlainString();
      case byte[] bytes -> HexFormat.of().formatHex(bytes);
      case ByteBuffer buffer -> {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        yield HexFormat.of().formatHex(bytes);
      }
      default -> value.toString();
    });
  }
}
