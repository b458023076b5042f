using System.Collections.Concurrent;
using Dora.Operator.Stacks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Integration.Tests.Operator;

/// <summary>A log that keeps what the operator says of each object that it applies.</summary>
internal sealed class AppliedObjects : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public void Clear() => _lines.Clear();

    public ILogger CreateLogger(string categoryName) => categoryName == typeof(PlanExecutor).FullName ? this : NullLogger.Instance;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("this log has no providers");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (formatter(state, exception) is var line && line.Contains(": applied ", StringComparison.Ordinal))
            _lines.Enqueue(line);
    }

    public void Dispose()
    {
    }
}
