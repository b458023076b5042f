using Dora.Api;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Stacks;
using Dora.Vault;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Credentials.Database;

/// <summary>
/// Asks Vault's database engine for logins, and keeps their leases alive. Of a static role it asks when Vault was to change the
/// password, of a lease at two thirds of it.
/// </summary>
public sealed partial class DatabaseLoginSource(VaultClients clients, Action<ObjectKey> changed, TimeProvider clock, ILogger<DatabaseLoginSource> logger) : IDisposable
{
    private readonly VaultQuestions<LoginQuestion, LoginReading> _questions = new(
        changed,
        reading => reading.Problem is not null,
        (question, reading) => reading.Problem is { Whole: true } ? LoginReading.After(question.Before, reading.Problem) : null,
        clock);

    /// <summary>What is known of a stack's logins, by Secret; nothing is asked.</summary>
    internal IReadOnlyDictionary<string, LoginReading> Of(ComplianceStack stack, IReadOnlyDictionary<string, SecretReading> secrets)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        // What was given once and written is not given again: who takes the Secret away wants another.
        foreach (var (name, known) in _questions.Answers(stack))
        {
            if (known.Offer?.Lease is { } lease && secrets.GetValueOrDefault(name) is SecretReading.Found found && found.Fields.GetValueOrDefault(LoginRules.Lease) == lease)
                _questions.Used(stack, name, known with { Offer = null });
        }

        return _questions.Answers(stack);
    }

    /// <summary>Begins to ask where it is time to; and what is known then.</summary>
    internal async Task<IReadOnlyDictionary<string, LoginReading>> AskAsync(StackObservation observed, IReadOnlyList<LoginQuestion> wanted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var stack = observed.Stack;
        if (stack.Spec.Credentials?.Vault is not { } settings)
            return observed.Logins;
        await _questions.AskAsync(stack, [.. wanted.Select(question => (question.Login.Secret.SecretName, question))], (question, token) => AskAsync(stack, settings, question, token), cancellationToken).ConfigureAwait(false);
        return Of(stack, observed.Credentials);
    }

    /// <summary>Forgets a stack that is gone; its leases end by themselves.</summary>
    public void Forget(ObjectKey key) => _questions.Forget(key);

    /// <summary>Forgets everything: another process was at work.</summary>
    public void ForgetAll() => _questions.ForgetAll();

    /// <summary>Ends when the questions under way have ended.</summary>
    internal Task SettledAsync(ObjectKey key) => _questions.SettledAsync(key);

    /// <inheritdoc/>
    public void Dispose() => _questions.Dispose();

    private async Task<LoginReading> AskAsync(ComplianceStack stack, VaultSettings settings, LoginQuestion question, CancellationToken cancellationToken)
    {
        try
        {
            var client = await clients.OfAsync(stack, settings.Connection(), cancellationToken).ConfigureAwait(false);
            var (logins, leases, role) = (new DatabaseLogins(client, settings.DatabaseMount), new VaultLeases(client), question.Login.Role);
            return question.What switch
            {
                LoginAsk.Read => Read(question, await logins.ReadAsync(role.StaticRole!, cancellationToken).ConfigureAwait(false)),
                LoginAsk.Take => Taken(question, await logins.CreateAsync(role.DynamicRole!, cancellationToken).ConfigureAwait(false)),
                LoginAsk.Renew => await RenewAsync(leases, question, cancellationToken).ConfigureAwait(false),
                _ => await RevokeAsync(leases, question, cancellationToken).ConfigureAwait(false),
            };
        }
        catch (Exception exception) when (LoginProblem.Of(exception, question, settings) is { } problem)
        {
            LogProblem(logger, stack.Metadata.Namespace, stack.Metadata.Name, question.Login.Secret.SecretName, problem.Reason, exception.Message);
            return LoginReading.After(question.Before, problem);
        }
    }

    private LoginReading Read(LoginQuestion question, StaticLogin login) =>
        LoginReading.After(question.Before, null) with { Offer = new(new(login.Username, login.Password), null, clock.GetUtcNow() + (login.TimeToLive > LoginRules.Margin ? login.TimeToLive : LoginRules.Margin) + LoginRules.Margin, TimeSpan.Zero) };

    private LoginReading Taken(LoginQuestion question, DynamicLogin login) => LoginReading.After(question.Before, null) with
    {
        Offer = new(new(login.Username, login.Password), login.Lease.Id, clock.GetUtcNow() + login.Lease.Duration, login.Lease.Duration),
        Lease = new(login.Lease.Id, clock.GetUtcNow(), login.Lease.Duration, login.Lease.Duration, login.Lease.Renewable),
    };

    private async Task<LoginReading> RenewAsync(VaultLeases leases, LoginQuestion question, CancellationToken cancellationToken)
    {
        VaultLease renewed;
        try
        {
            renewed = await leases.RenewAsync(question.Lease!, question.Usual, cancellationToken).ConfigureAwait(false);
        }
        catch (VaultException exception) when (exception.HttpCode == 400)
        {
            // It is not known any more, or at its end: another login it is.
            renewed = new(question.Lease!, TimeSpan.Zero, false);
        }

        return LoginReading.After(question.Before, null) with { Lease = new(question.Lease!, clock.GetUtcNow(), renewed.Duration, question.Usual, renewed.Renewable) };
    }

    private static async Task<LoginReading> RevokeAsync(VaultLeases leases, LoginQuestion question, CancellationToken cancellationToken)
    {
        try
        {
            await leases.RevokeAsync(question.Lease!, cancellationToken).ConfigureAwait(false);
        }
        catch (VaultException exception) when (exception.HttpCode == 400)
        {
            // It has ended by itself.
        }

        return LoginReading.After(question.Before, null) with { Revoked = question.Lease };
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Namespace}/{Stack}: login in {Secret}: {Reason}: {Problem}")]
    private static partial void LogProblem(ILogger logger, string? @namespace, string? stack, string secret, string reason, string problem);
}

/// <summary>Why Vault gave no login, in words for a condition.</summary>
internal static class LoginProblem
{
    /// <summary>What an exception means; null for one that is no matter of Vault.</summary>
    public static VaultProblem? Of(Exception exception, LoginQuestion question, VaultSettings settings)
    {
        var path = $"{settings.DatabaseMount}/{question.Login.Role.Path()}";
        return exception switch
        {
            VaultForbiddenException { Login: false } => new("VaultForbidden", $"Vault does not let the operator use {path}: grant read on it, and update on sys/leases/renew and sys/leases/revoke, to its policy"),
            VaultNotFoundException => Missing(path),
            VaultException { HttpCode: 400 } refused when refused.Message.Contains("unknown role", StringComparison.OrdinalIgnoreCase) => Missing(path),
            // Its own words are those of the database's driver, which differ from try to try.
            VaultException { HttpCode: 400 or 500 } => new("VaultRefused", $"Vault did not answer {path}: see whether its connection to the database works"),
            _ => VaultProblem.Of(exception, settings.Address),
        };
    }

    // A new stack's servers must run before Vault can know them.
    private static VaultProblem Missing(string path) => new("CredentialMissing", $"Vault has nothing at {path}: write the connection and the role there, once the servers run");
}
