import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Latency BOOTSTRAP TOPIC WARM_UP_SECONDS: reads partition 0 from its end on, takes "sent_us":N (a wall clock in microseconds,
 * set by the database) out of each record and compares it with the wall clock at receipt. Ends after five idle seconds and prints
 * percentiles in milliseconds.
 */
class Latency {
    public static void main(String[] args) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        Pattern field = Pattern.compile("\"sent_us\":(\\d+)");
        long warmUp = Long.parseLong(args[2]) * 1_000_000;
        long first = 0;
        List<Double> ms = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
            TopicPartition partition = new TopicPartition(args[1], 0);
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            consumer.position(partition);
            System.out.println("ready");
            for (int idle = 0; first == 0 || idle < 50; ) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
                Instant t = Instant.now();
                long now = t.getEpochSecond() * 1_000_000 + t.getNano() / 1000;
                idle = records.isEmpty() ? idle + 1 : 0;
                for (ConsumerRecord<String, String> r : records) {
                    Matcher m = r.value() == null ? null : field.matcher(r.value());
                    if (m == null || !m.find()) {
                        continue;
                    }
                    long sent = Long.parseLong(m.group(1));
                    if (first == 0) {
                        first = sent;
                    }
                    if (sent - first >= warmUp) {
                        ms.add((now - sent) / 1000.0);
                    }
                }
            }
        }
        Collections.sort(ms);
        int n = ms.size();
        System.out.printf(Locale.ROOT, "n=%d p50=%.1f p95=%.1f p99=%.1f max=%.1f%n",
            n, ms.get(n / 2), ms.get(n * 95 / 100), ms.get(n * 99 / 100), ms.get(n - 1));
    }
}
