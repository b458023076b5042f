using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Tests.Credentials.Rotation;

/// <summary>
/// Three members that know logins of some roles. After each change of one of them it is asserted that what applications hold still
/// opens every member. At first they know what stands in the Secrets.
/// </summary>
internal sealed class ScriptedLogins(Func<RotatingRole, Login> held, IEngineCluster inner, IReadOnlyList<RotatingRole> roles) : IEngineCluster
{
    private readonly Dictionary<string, IReadOnlyList<Login>>[] _members =
        [.. Enumerable.Range(0, 3).Select(_ => roles.ToDictionary(role => role.Id, role => (IReadOnlyList<Login>)[held(role)]))];

    private int _actions;

    /// <summary>What the operator has kept, and so comes with where servers take the password from the Secret.</summary>
    public Func<RotatingRole, IEnumerable<Login>> Kept { get; init; } = _ => [];

    /// <summary>The operator ends before its action of this number; 0: never.</summary>
    public int EndAt { get; set; }

    /// <summary>Members that answer nobody.</summary>
    public HashSet<int> Silent { get; } = [];

    /// <summary>Members that go on accepting whatever they once accepted.</summary>
    public HashSet<int> Stubborn { get; } = [];

    public int Actions => _actions;

    public IReadOnlyList<RotatingRole> Rotating => roles;

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

    public IReadOnlyList<Login> Of(int member, string id = RotationWorld.Consumers) => _members[member][id];

    /// <summary>A member starts anew, and knows what stands in the Secret then, as where one user has two passwords; else what it knew.</summary>
    public void StartAnew(int member)
    {
        foreach (var role in roles.Where(role => role.Second is null))
            _members[member][role.Id] = [held(role)];
        Check();
    }

    /// <summary>A member reads its mounted Secret again, as where servers take the password from it.</summary>
    public void TakeUp(int member)
    {
        foreach (var role in roles.Where(role => role.TakenFromSecret))
            _members[member][role.Id] = Stubborn.Contains(member) ? Of(member, role.Id) : [held(role)];
    }

    // Whoever comes finds each door open: applications with what is in their Secret, the operator with that or what it kept.
    public void Check() => Assert.All(roles, role => Assert.All([0, 1, 2], member =>
    {
        if (role.TakenFromSecret)
            Assert.Contains(Of(member, role.Id)[0], Kept(role).Append(held(role)));
        else
            Assert.Contains(held(role), Of(member, role.Id));
    }));

    public Task AcceptAsync(RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        for (var member = 0; member < _members.Length && !role.TakenFromSecret; member++)
        {
            Act();
            if (Silent.Contains(member))
                throw new IOException("secret words of a driver");
            _members[member][role.Id] = Stubborn.Contains(member) ? [.. Of(member, role.Id), .. logins] : logins;
            Check();
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<LoginFinding>> LogInAsync(RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        Act();
        return Task.FromResult<IReadOnlyList<LoginFinding>>([.. Enumerable.Range(0, 3).Select(number => new LoginFinding(
            $"shop-redis-{number}",
            Silent.Contains(number) ? LoginAnswer.Unknown : Of(number, role.Id).Contains(login) ? LoginAnswer.Accepted : LoginAnswer.Refused))]);
    }

    private void Act()
    {
        if (++_actions == EndAt)
            throw new OperatorEndedException();
    }
}
