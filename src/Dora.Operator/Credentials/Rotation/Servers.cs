using Dora.Engines;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>The servers of one engine, asked about one role.</summary>
internal sealed record Servers(IEngineCluster Cluster, RotatingRole Role, EngineTarget Target)
{
    /// <summary>Has them accept these logins and no others.</summary>
    public Task AcceptAsync(IReadOnlyList<Login> logins, CancellationToken cancellationToken) => Cluster.AcceptAsync(Role, logins, Target, cancellationToken);

    /// <summary>Logs in everywhere.</summary>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(Login login, CancellationToken cancellationToken) => Cluster.LogInAsync(Role, login, Target, cancellationToken);

    /// <summary>Has those accept both that refuse one; answers whether any did.</summary>
    public async Task<bool> HoldAsync(IReadOnlyList<Login> logins, CancellationToken cancellationToken)
    {
        foreach (var login in logins)
        {
            if ((await LogInAsync(login, cancellationToken).ConfigureAwait(false)).Any(answer => answer.Answer == LoginAnswer.Refused))
            {
                await AcceptAsync(logins, cancellationToken).ConfigureAwait(false);
                return true;
            }
        }

        return false;
    }

    /// <summary>Logs in with the old password and expects to be refused, by every member.</summary>
    /// <exception cref="RotationException">One lets it in, or says neither yes nor no.</exception>
    public async Task ProveAsync(Login old, Login current, CancellationToken cancellationToken)
    {
        var answers = await LogInAsync(old, cancellationToken).ConfigureAwait(false);
        if (answers.Count > 0 && answers.All(answer => answer.Answer == LoginAnswer.Refused))
            return;
        if (answers.All(answer => answer.Answer != LoginAnswer.Accepted))
            throw new RotationException("RotationFailed", $"{Names(answers, LoginAnswer.Refused)}: it is not proven that the old password is refused");
        await AcceptAsync([current], cancellationToken).ConfigureAwait(false);
        throw new RotationException("OldCredentialAccepted", $"{string.Join(", ", answers.Where(answer => answer.Answer == LoginAnswer.Accepted).Select(answer => answer.Pod))}: the old password still opens; the servers were told again");
    }

    /// <summary>Whether every member let the user in.</summary>
    public static bool Accepted(IReadOnlyList<LoginFinding> answers) => answers.Count > 0 && answers.All(answer => answer.Answer == LoginAnswer.Accepted);

    /// <summary>Members that did not answer as wanted.</summary>
    public static string Names(IReadOnlyList<LoginFinding> answers, LoginAnswer wanted) =>
        answers.Count == 0 ? "no member" : string.Join(", ", answers.Where(answer => answer.Answer != wanted).Select(answer => $"{answer.Pod} ({answer.Answer})"));
}

/// <summary>A step that was not taken.</summary>
internal sealed class RotationException(string reason, string message) : Exception(message)
{
    /// <summary>CamelCase.</summary>
    public string Reason { get; } = reason;
}
