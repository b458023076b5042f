using System.Diagnostics;
using System.Net.Security;
using Dora.Engines.Redis;
using Npgsql;

namespace Dora.EndToEnd.Tests;

/// <summary>Writes without pause, remembers what was acknowledged, and measures the longest time without an acknowledgement.</summary>
internal sealed class Writer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<int, CancellationToken, Task<bool>> _write;
    private readonly Task _running;
    private readonly Lock _lock = new();
    private readonly List<int> _acknowledged = [];
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TimeSpan _longest;

    public Writer(Func<int, CancellationToken, Task<bool>> write)
    {
        _write = write;
        _running = Task.Run(RunAsync);
    }

    /// <summary>Longest time between two acknowledgements.</summary>
    public TimeSpan Outage => _longest;

    /// <summary>What was acknowledged, in order.</summary>
    public IReadOnlyList<int> Acknowledged
    {
        get
        {
            lock (_lock)
                return [.. _acknowledged];
        }
    }

    /// <summary>Waits for so many more acknowledgements.</summary>
    public async Task MoreAsync(int count, TimeSpan patience)
    {
        var goal = Acknowledged.Count + count;
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (_acknowledged.Count >= goal)
                    return;
                next = _next.Task;
            }

            var left = patience - Stopwatch.GetElapsedTime(started);
            await next.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Tries until it goes well: the node's Service rules follow the pods by a moment, of which no object tells.</summary>
    public static async Task UntilDoneAsync(Func<CancellationToken, Task> attempt)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(1));
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (true)
        {
            try
            {
                await attempt(patience.Token);
                return;
            }
            catch (Exception) when (!patience.IsCancellationRequested)
            {
                await again.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            }
        }
    }

    /// <summary>Ends writing; what is acknowledged stays known.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var last = Stopwatch.GetTimestamp();
        for (var number = 1; !_stop.IsCancellationRequested; number++)
        {
            bool acknowledged;
            try
            {
                acknowledged = await _write(number, _stop.Token);
            }
            catch (Exception) when (!_stop.IsCancellationRequested)
            {
                acknowledged = false;
            }
            catch (Exception)
            {
                return;
            }

            if (!acknowledged)
                continue;
            lock (_lock)
            {
                _acknowledged.Add(number);
                var gap = Stopwatch.GetElapsedTime(last);
                last = Stopwatch.GetTimestamp();
                if (_acknowledged.Count > 1 && gap > _longest)
                    _longest = gap;
                _next.TrySetResult();
                _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }
}

/// <summary>
/// How long a client may wait in a test. The product's targets, 30 s and 10 s, are for a machine that does nothing else; twice as
/// much is a fault on any.
/// </summary>
internal static class OutageLimit
{
    public static readonly TimeSpan Postgres = TimeSpan.FromSeconds(60);
    public static readonly TimeSpan Redis = TimeSpan.FromSeconds(20);
}

/// <summary>A PostgreSQL application: each write is one committed transaction over the primary Service.</summary>
internal sealed class PostgresApplication(string connection, Action<SslClientAuthenticationOptions>? expect)
{
    /// <summary>One that does not care: it takes what the server offers, and checks nobody, as drivers do unless told otherwise.</summary>
    public static Task<PostgresApplication> ConnectCarelesslyAsync(Cluster cluster, string stack) => ConnectAsync(cluster, stack, SslMode.Prefer, null);

    public static async Task<PostgresApplication> ConnectAsync(Cluster cluster, string stack) =>
        await ConnectAsync(cluster, stack, SslMode.VerifyFull, await cluster.ExpectAsync(stack, $"{stack}-postgres"));

    private static async Task<PostgresApplication> ConnectAsync(Cluster cluster, string stack, SslMode mode, Action<SslClientAuthenticationOptions>? expect)
    {
        var secret = $"{stack}-postgres-app";
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = await cluster.AddressAsync($"{stack}-postgres"),
            Port = 5432,
            Username = await cluster.SecretAsync(secret, "username"),
            Password = await cluster.SecretAsync(secret, "password"),
            Database = await cluster.SecretAsync(secret, "database"),
            Timeout = 2,
            CommandTimeout = 3,
            Pooling = false,
            SslMode = mode,
        };
        var application = new PostgresApplication(builder.ConnectionString, expect);
        await Writer.UntilDoneAsync(token => application.RunAsync("CREATE TABLE IF NOT EXISTS written (run text, number int, PRIMARY KEY (run, number))", token));
        return application;
    }

    public Writer Write(string run) => new(async (number, token) =>
    {
        await RunAsync($"INSERT INTO written VALUES ('{run}', {number})", token);
        return true;
    });

    public async Task<HashSet<int>> ReadAsync(string run)
    {
        HashSet<int> found = [];
        await Writer.UntilDoneAsync(async token =>
        {
            found = [];
            await using var source = Verified.Source(connection, expect);
            await using var command = source.CreateCommand($"SELECT number FROM written WHERE run = '{run}'");
            await using var reader = await command.ExecuteReaderAsync(token);
            while (await reader.ReadAsync(token))
                found.Add(reader.GetInt32(0));
        });
        return found;
    }

    /// <summary>The same application, believing others.</summary>
    public PostgresApplication Believing(Action<SslClientAuthenticationOptions> others) => new(connection, others);

    /// <summary>The server's clock.</summary>
    public async Task<DateTimeOffset> NowAsync() => new((DateTime)(await ScalarAsync("SELECT clock_timestamp()"))!);

    /// <summary>One text that the server answers, or null.</summary>
    public async Task<string?> AskAsync(string query) => await ScalarAsync(query) as string;

    private async Task<object?> ScalarAsync(string query)
    {
        object? answer = null;
        await Writer.UntilDoneAsync(async token =>
        {
            await using var source = Verified.Source(connection, expect);
            await using var command = source.CreateCommand(query);
            answer = await command.ExecuteScalarAsync(token);
        });
        return answer;
    }

    /// <summary>Runs one statement, in seconds.</summary>
    public async Task RunAsync(string statement, CancellationToken cancellationToken)
    {
        await using var source = Verified.Source(connection, expect);
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}

/// <summary>A Redis application. A write counts as acknowledged when a replica has it too (WAIT 1): Redis alone promises no more.</summary>
internal sealed class RedisApplication(string address, Func<SslClientAuthenticationOptions> tls, string user, string password, int replicas)
{
    public static async Task<RedisApplication> ConnectAsync(Cluster cluster, string stack, int replicas = 1)
    {
        var trust = await cluster.TrustAsync(stack);
        return new(
            await cluster.AddressAsync($"{stack}-redis"),
            () => trust($"{stack}-redis"),
            await cluster.SecretAsync($"{stack}-redis-app", "username"),
            await cluster.SecretAsync($"{stack}-redis-app", "password"),
            replicas);
    }

    public Writer Write(string run) => new(async (number, token) =>
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(token);
        patience.CancelAfter(TimeSpan.FromSeconds(2));
        await using var client = await RespClient.ConnectAsync(address, 6379, user, password, patience.Token, tls: tls());
        await client.SendAsync(patience.Token, "SET", $"{run}:{number}", "written");
        var reached = await client.SendAsync(patience.Token, "WAIT", $"{replicas}", "1000");
        return int.Parse(reached.Text!) >= replicas;
    });

    /// <summary>The same application, believing others.</summary>
    public RedisApplication Believing(Func<SslClientAuthenticationOptions> others) => new(address, others, user, password, replicas);

    /// <summary>Says one command, in seconds.</summary>
    public async Task RunAsync(CancellationToken cancellationToken, params string[] words)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(2));
        await using var client = await RespClient.ConnectAsync(address, 6379, user, password, patience.Token, tls: tls());
        await client.SendAsync(patience.Token, words);
    }

    /// <summary>Sets one key.</summary>
    public Task SetAsync(string key, string value) => Writer.UntilDoneAsync(token => RunAsync(token, "SET", key, value));

    public async Task<HashSet<int>> ReadAsync(string run)
    {
        RespValue keys = default;
        await Writer.UntilDoneAsync(async token =>
        {
            await using var client = await RespClient.ConnectAsync(address, 6379, user, password, token, tls: tls());
            keys = await client.SendAsync(token, "KEYS", $"{run}:*");
        });
        return [.. keys.Items!.Select(key => int.Parse(key.Text![(run.Length + 1)..]))];
    }
}
