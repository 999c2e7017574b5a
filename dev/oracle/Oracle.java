import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.debezium.config.Configuration;
import io.debezium.embedded.Connect;
import io.debezium.embedded.Transformations;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.FileWriter;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.header.internals.RecordHeaders;
import java.util.function.Predicate;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;

/**
 * Runs the real Debezium engine, as often as it is told to, in one JVM.
 *
 * <p>The transforms are Debezium's and Kafka's too, but are called from here, one record after the other, as a Connect
 * worker does; the engine would call them for whole batches at once. A record that they or the converter refuse has a line
 * with topic and failure under {@code errors.tolerance=all}, and ends the engine otherwise.
 *
 * <p>Standard input takes one command a line: {@code run PROPERTIES OUT} starts an engine that appends each record to OUT
 * as a line of JSON, {@code stop} ends it, the end of the input ends the program. Standard output answers {@code running},
 * and {@code ended ok=… MESSAGE} once for each engine, whether it was told to stop or stopped by itself.
 *
 * <p>A record's line has topic, partition, timestamp, headers, key and value, the last three as the exact text of Kafka
 * Connect's JsonConverter. Properties that begin with "converter." configure that. "key.converter" and "value.converter" name
 * another class, with properties of its own behind that name; what it writes as Avro becomes text by {@link WireText}.
 */
public class Oracle {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static PrintStream answers;

  public static void main(String[] args) throws Exception {
    answers = System.out;
    System.setOut(System.err); // what libraries print is no answer
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Run run = null;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ");
      if (words[0].equals("run")) {
        try {
          run = new Run(Path.of(words[1]), Path.of(words[2]));
        } catch (Exception e) {
          e.printStackTrace();
          answer("ended ok=false the configuration is wrong: " + e);
        }
      } else if (words[0].equals("stop") && run != null) {
        run.stop();
        run = null;
      }
    }
    if (run != null) run.stop();
    System.exit(0);
  }

  private static synchronized void answer(String text) {
    answers.println(text.replace('\n', ' '));
    answers.flush();
  }

  /** One engine from its start to its end. */
  private static final class Run {
    private final DebeziumEngine<RecordChangeEvent<SourceRecord>> engine;
    private final ExecutorService executor = Executors.newSingleThreadExecutor();
    private final PrintWriter out;
    private final JsonConverter headers = new JsonConverter();
    private final Converter keys;
    private final Converter values;
    private final WireText wire;
    private final Transformations transforms;
    private final boolean tolerant;

    Run(Path properties, Path file) throws Exception {
      Properties props = new Properties();
      try (Reader r = Files.newBufferedReader(properties)) {
        props.load(r);
      }
      Predicate<String> ofTransforms = n -> n.matches("(transforms|predicates)(\\..*)?");
      Properties apart = new Properties();
      props.stringPropertyNames().stream().filter(ofTransforms).forEach(n -> apart.setProperty(n, props.getProperty(n)));
      props.stringPropertyNames().stream().filter(ofTransforms).forEach(props::remove);
      transforms = new Transformations(Configuration.from(apart));
      tolerant = "all".equals(props.getProperty("errors.tolerance"));
      Map<String, Object> converter = new HashMap<>();
      for (String name : props.stringPropertyNames()) {
        if (name.startsWith("converter.")) converter.put(name.substring("converter.".length()), props.getProperty(name));
      }
      converter.putIfAbsent("schemas.enable", "true");
      headers.configure(converter, false);
      wire = new WireText(props.getProperty("pgcdc.registry"));
      keys = converter(props, "key", converter);
      values = converter(props, "value", converter);
      out = new PrintWriter(new BufferedWriter(new FileWriter(file.toFile(), StandardCharsets.UTF_8, true)), false);
      engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class)).using(props)
          .using((ok, message, error) -> {
            if (error != null) error.printStackTrace();
            Throwable root = error;
            while (root != null && root.getCause() != null) root = root.getCause();
            answer("ended ok=" + ok + " " + message + (root == null ? "" : ": " + root));
          })
          .notifying((batch, committer) -> {
            try {
              for (RecordChangeEvent<SourceRecord> event : batch) {
                write(event.record());
                committer.markProcessed(event);
              }
            } finally {
              out.flush();
            }
            committer.markBatchFinished();
          })
          .build();
      answer("running");
      executor.execute(engine);
    }

    /** The converter of a side; its properties are taken out, since the engine has no use for them. */
    private static Converter converter(Properties props, String side, Map<String, Object> json) throws Exception {
      String name = side + ".converter";
      String type = (String) props.remove(name);
      Map<String, Object> own = new HashMap<>(type == null ? json : Map.of());
      for (String property : props.stringPropertyNames()) {
        if (property.startsWith(name + ".")) own.put(property.substring(name.length() + 1), props.remove(property));
      }
      Converter converter = type == null ? new JsonConverter() : (Converter) Class.forName(type).getDeclaredConstructor().newInstance();
      converter.configure(own, side.equals("key"));
      return converter;
    }

    private void write(SourceRecord record) {
      try {
        SourceRecord changed = transforms.transform(record);
        if (changed != null) out.println(line(changed));
      } catch (RuntimeException e) {
        if (!tolerant) throw e;
        ObjectNode line = MAPPER.createObjectNode();
        line.put("topic", record.topic());
        line.put("failed", e.toString());
        line.set("source_offset", MAPPER.valueToTree(record.sourceOffset()));
        out.println(line);
      }
    }

    private String line(SourceRecord s) {
      ObjectNode line = MAPPER.createObjectNode();
      line.put("topic", s.topic());
      if (s.kafkaPartition() != null) line.put("partition", s.kafkaPartition());
      if (s.timestamp() != null) line.put("timestamp", s.timestamp());
      ArrayNode texts = line.putArray("headers");
      RecordHeaders written = new RecordHeaders(); // converters see them as bytes, as in a worker
      s.headers().forEach(h -> {
        byte[] b = headers.fromConnectHeader(s.topic(), h.key(), h.schema(), h.value());
        written.add(h.key(), b);
        ObjectNode node = texts.addObject();
        node.put("key", h.key());
        node.put("value", b == null ? null : new String(b, StandardCharsets.UTF_8));
      });
      line.put("key", wire.text(keys.fromConnectData(s.topic(), written, s.keySchema(), s.key())));
      line.put("value", wire.text(values.fromConnectData(s.topic(), written, s.valueSchema(), s.value())));
      line.set("source_partition", MAPPER.valueToTree(s.sourcePartition()));
      line.set("source_offset", MAPPER.valueToTree(s.sourceOffset()));
      return line.toString();
    }

    /** Ends the engine; the completion callback answers. */
    void stop() throws Exception {
      try {
        engine.close();
      } catch (IllegalStateException e) {
        // it has ended by itself, and said so
      }
      executor.shutdown();
      executor.awaitTermination(30, TimeUnit.SECONDS);
      out.close();
    }
  }
}
