"""Spans by OpenTelemetry, the extra `traces`; without an address nothing of it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from config.errors import ConfigError
from config.settings import Traces
from models.errors import how_to_install
from stream import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer


def set_up_traces(traces: Traces, service: str) -> Callable[[], None]:
    """Send spans of this process, called `service`, as the settings say; returns what ends that.

    Raises ConfigError where the extra is not installed.
    """
    if not traces.endpoint:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError(
            f"traces.endpoint: spans need the extra: {how_to_install('traces')}"
        ) from None
    exporter = OTLPSpanExporter(endpoint=traces.endpoint)
    return send_through(BatchSpanProcessor(exporter), service, traces.share)


def send_through(processor: SpanProcessor, service: str, share: float = 1.0) -> Callable[[], None]:
    """Send spans through a processor of OpenTelemetry's."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    sampler = ParentBased(TraceIdRatioBased(share))
    provider = TracerProvider(sampler, Resource.create({"service.name": service}))
    provider.add_span_processor(processor)
    trace.send_spans(_Spans(provider.get_tracer("freshet")))

    def end() -> None:
        trace.send_spans(None)
        provider.shutdown()

    return end


class _Spans:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, name: str, parent: bytes | None, began_ns: int | None = None) -> _Span:
        return _Span(self._tracer.start_span(name, _context_of(parent), start_time=began_ns))


class _Span:
    def __init__(self, span: Any) -> None:
        told = span.get_span_context()
        fields = f"00-{told.trace_id:032x}-{told.span_id:016x}-{int(told.trace_flags):02x}"
        self.context: bytes | None = fields.encode()
        self._span = span

    def end(self, **attributes: str | int) -> None:
        from opentelemetry.trace import StatusCode

        if attributes:
            self._span.set_attributes(attributes)
        if "error" in attributes:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _context_of(parent: bytes | None) -> Any:
    """A W3C context as OpenTelemetry has it; an empty one begins a trace."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if parent is None:
        return Context()
    _, trace_id, span_id, flags = parent.decode().split("-")
    known = SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(known), Context())
