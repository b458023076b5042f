using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Tests.Credentials.Rotation;

/// <summary>
/// Three members that know logins of one role. After each change of one of them it is asserted that what applications hold still
/// opens every member.
/// </summary>
internal sealed class ScriptedLogins(Func<Login> held, IEngineCluster inner, bool alternate) : IEngineCluster
{
    private readonly HashSet<Login>[] _members = [[held()], [held()], [held()]];
    private int _actions;

    /// <summary>The operator ends before its action of this number; 0: never.</summary>
    public int EndAt { get; set; }

    /// <summary>Members that answer nobody.</summary>
    public HashSet<int> Silent { get; } = [];

    /// <summary>Members that go on accepting whatever they once accepted.</summary>
    public HashSet<int> Stubborn { get; } = [];

    public int Actions => _actions;

    public IReadOnlyList<RotatingRole> Rotating { get; } = [new(RotationWorld.Consumers, "app", alternate ? RotatingRole.SecondOf("app") : null)];

    public int Instances => 3;

    public string Endpoint => inner.Endpoint;

    public string WorkloadName => inner.WorkloadName;

    public IReadOnlyList<string> RuntimeConfigMaps => [];

    public bool OperatorLabelsRoles => false;

    public bool MovesPrimary => false;

    public IReadOnlyList<Violation> Validate(EngineObservation observed) => [];

    public IReadOnlyList<CredentialRequest> Credentials() => inner.Credentials();

    public IReadOnlyList<Manifest> Render(EngineObservation observed) => [];

    public Task<EngineHealth> ProbeAsync(EngineTarget target, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IReadOnlyList<EngineCommand> Commands(EngineObservation observed) => [];

    public Task ExecuteAsync(EngineCommand command, EngineTarget target, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IReadOnlySet<Login> Of(int member) => _members[member];

    /// <summary>A member starts anew, and knows what stands in the Secret then, as where one user has two passwords; else what it knew.</summary>
    public void StartAnew(int member)
    {
        if (!alternate)
            _members[member] = [held()];
        Check();
    }

    public void Check() => Assert.All(_members, member => Assert.Contains(held(), member));

    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        for (var member = 0; member < _members.Length; member++)
        {
            Act();
            if (Silent.Contains(member))
                throw new IOException("secret words of a driver");
            _members[member] = Stubborn.Contains(member) ? [.. _members[member], .. logins] : [.. logins];
            Check();
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        Act();
        return Task.FromResult<IReadOnlyList<LoginFinding>>([.. _members.Select((member, number) => new LoginFinding(
            $"shop-redis-{number}",
            Silent.Contains(number) ? LoginAnswer.Unknown : member.Contains(login) ? LoginAnswer.Accepted : LoginAnswer.Refused))]);
    }

    private void Act()
    {
        if (++_actions == EndAt)
            throw new OperatorEndedException();
    }
}
