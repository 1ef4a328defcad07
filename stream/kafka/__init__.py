"""The event log on Kafka: topics, envelopes, and what appends to them and reads them."""
