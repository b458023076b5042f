using System.Collections.Concurrent;
using Dora.Api;
using Dora.Kubernetes.Runtime;

namespace Dora.Operator.Credentials;

/// <summary>
/// Questions to Vault that plans name, each about one Secret, asked beside the passes over a stack: less and less often where that
/// does not help. The answers are kept in memory until a plan has used them.
/// </summary>
/// <param name="changed">Called when there are answers.</param>
/// <param name="fruitless">Whether an answer is no reason to ask again soon.</param>
/// <param name="again">What an answer that says that all of Vault is away is for another question; null for any other answer.</param>
/// <param name="clock">Time.</param>
internal sealed class VaultQuestions<TQuestion, TAnswer>(Action<ObjectKey> changed, Func<TAnswer, bool> fruitless, Func<TQuestion, TAnswer, TAnswer?> again, TimeProvider clock) : IDisposable
    where TAnswer : class
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Calm = TimeSpan.FromHours(1);
    private static readonly Backoff Pauses = new(TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5));

    private readonly ConcurrentDictionary<ObjectKey, Known> _stacks = new();
    private readonly CancellationTokenSource _stop = new();

    /// <summary>What is known of a stack, by Secret.</summary>
    public IReadOnlyDictionary<string, TAnswer> Answers(ComplianceStack stack) => Find(stack) is { } known ? known.All : new Dictionary<string, TAnswer>();

    /// <summary>An answer was used: this is left of it. When it came is still known.</summary>
    public void Used(ComplianceStack stack, string secret, TAnswer? left) => Find(stack)?.Used(secret, left);

    /// <summary>
    /// Begins to ask where it is time to. Waits a few seconds for the first answers, and never for others: a Vault that is slow or
    /// away holds up no failover.
    /// </summary>
    public async Task AskAsync(ComplianceStack stack, IReadOnlyList<(string Secret, TQuestion Question)> wanted, Func<TQuestion, CancellationToken, Task<TAnswer>> ask, CancellationToken cancellationToken)
    {
        var known = _stacks.AddOrUpdate(ObjectKey.Of(stack), _ => new(stack), (_, old) => old.IsOf(stack) ? old : new(stack));
        var first = known.Start(wanted, one => clock.GetElapsedTime(one.At) >= (fruitless(one.Last ?? one.Before) ? Pauses.After(one.Tries) : TimeSpan.Zero), due => Task.Run(() => AskAsync(stack, known, due, ask)));
        try
        {
            if (first)
                await known.Asking.WaitAsync(Patience, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Not known yet; a later pass knows.
        }
    }

    /// <summary>Forgets a stack.</summary>
    public void Forget(ObjectKey key) => _stacks.TryRemove(key, out _);

    /// <summary>Forgets everything: another process was at work.</summary>
    public void ForgetAll() => _stacks.Clear();

    /// <summary>Ends when the questions under way have ended.</summary>
    public Task SettledAsync(ObjectKey key) => _stacks.TryGetValue(key, out var known) ? known.Asking : Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private Known? Find(ComplianceStack stack) => _stacks.TryGetValue(ObjectKey.Of(stack), out var known) && known.IsOf(stack) ? known : null;

    private async Task AskAsync(ComplianceStack stack, Known known, IReadOnlyList<(string Secret, TQuestion Question)> due, Func<TQuestion, CancellationToken, Task<TAnswer>> ask)
    {
        TAnswer? last = null;
        foreach (var (secret, question) in due)
        {
            last = (last is null ? null : again(question, last)) ?? await ask(question, _stop.Token).ConfigureAwait(false);
            known.Learn(secret, last, clock, Calm);
        }

        changed(ObjectKey.Of(stack));
    }

    private sealed class Known(ComplianceStack stack)
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<string, One> _answers = new(StringComparer.Ordinal);

        public Task Asking { get; private set; } = Task.CompletedTask;

        public IReadOnlyDictionary<string, TAnswer> All
        {
            get
            {
                lock (_lock)
                    return _answers.Where(pair => pair.Value.Last is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Last!, StringComparer.Ordinal);
            }
        }

        // Another role or another Vault may answer what this one did not.
        public bool IsOf(ComplianceStack other) =>
            other.Metadata.Uid == stack.Metadata.Uid && other.Spec.Tls?.Vault == stack.Spec.Tls?.Vault && other.Spec.Credentials?.Vault == stack.Spec.Credentials?.Vault;

        public void Used(string secret, TAnswer? left)
        {
            lock (_lock)
            {
                if (_answers.TryGetValue(secret, out var one))
                    _answers[secret] = one with { Last = left };
            }
        }

        public void Learn(string secret, TAnswer answer, TimeProvider clock, TimeSpan calm)
        {
            lock (_lock)
            {
                var tries = _answers.GetValueOrDefault(secret) is { } before && clock.GetElapsedTime(before.At) < calm ? before.Tries + 1 : 0;
                _answers[secret] = new(answer, answer, clock.GetTimestamp(), tries);
            }
        }

        // Whether these are the first questions for one of the Secrets.
        public bool Start(IReadOnlyList<(string Secret, TQuestion Question)> wanted, Func<One, bool> isTime, Func<IReadOnlyList<(string Secret, TQuestion Question)>, Task> ask)
        {
            lock (_lock)
            {
                List<(string Secret, TQuestion Question)> due = [.. wanted.Where(one => _answers.GetValueOrDefault(one.Secret) is not { } last || isTime(last))];
                if (!Asking.IsCompleted || due.Count == 0)
                    return false;
                var first = due.Exists(one => !_answers.ContainsKey(one.Secret));
                Asking = ask(due);
                return first;
            }
        }
    }

    private sealed record One(TAnswer? Last, TAnswer Before, long At, int Tries);
}
