namespace Dora.Engines.InfluxDb.V1;

/// <summary>
/// What the operator says to a 1.x server. Saying it twice changes nothing. Each statement is a call: of several in one, the server
/// reports the first that fails as "not executed" and keeps the reason to itself.
/// </summary>
internal static class V1Commands
{
    public static Task ExecuteAsync(InfluxDbPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var member = target.Members.FirstOrDefault(member => member.Ordinal == 0) ?? throw new InvalidOperationException("no server exists");
        var client = V1Probe.Admin(plan, target, member);
        var subject = command.Subject.Split('/');
        return command.Name switch
        {
            InfluxDbNeeds.CreateDatabase => client.QueryAsync(InfluxQl.CreateDatabase(Database(plan, subject[0])), cancellationToken),
            InfluxDbNeeds.CreatePolicy => client.QueryAsync(InfluxQl.CreatePolicy(subject[0], Policy(plan, subject)), cancellationToken),
            InfluxDbNeeds.AlterPolicy => client.QueryAsync(InfluxQl.AlterPolicy(subject[0], Policy(plan, subject)), cancellationToken),
            InfluxDbNeeds.SetContinuousQuery => ReplaceAsync(client, plan.Downsampling.First(wanted => wanted.Name == subject[0]), cancellationToken),
            InfluxDbNeeds.RemoveContinuousQuery => client.QueryAsync(InfluxQl.DropContinuousQuery(subject[0], subject[1]), cancellationToken),
            InfluxDbNeeds.DropUser => DropAsync(client, subject[0], cancellationToken),
            InfluxDbNeeds.CreateUser => PasswordAsync(client, InfluxQl.CreateUser, User(plan, subject[0]), target, cancellationToken),
            InfluxDbNeeds.SetPassword => PasswordAsync(client, InfluxQl.SetPassword, User(plan, subject[0]), target, cancellationToken),
            InfluxDbNeeds.SetGrants => GrantAsync(client, User(plan, subject[0]), cancellationToken),
            _ => throw new ArgumentException($"InfluxDB 1.x knows no command {command.Name}", nameof(command)),
        };
    }

    private static async Task ReplaceAsync(V1Client client, DownsamplingPlan wanted, CancellationToken cancellationToken)
    {
        await client.QueryAsync(InfluxQl.DropContinuousQuery(wanted.Source, InfluxQl.Mark + wanted.Name), cancellationToken).ConfigureAwait(false);
        await client.QueryAsync(InfluxQl.CreateContinuousQuery(wanted), cancellationToken).ConfigureAwait(false);
    }

    private static Task PasswordAsync(V1Client client, Func<string, string, string> statement, UserPlan user, EngineTarget target, CancellationToken cancellationToken)
    {
        var password = user.KeepsPassword ? target.NewPassword() : target.Credential(user.Secret, InfluxDbCredentials.Password);
        return client.QueryAsync(statement(user.Name, password), cancellationToken, password);
    }

    // The server refuses to drop a user that does not exist.
    private static async Task DropAsync(V1Client client, string user, CancellationToken cancellationToken)
    {
        if ((await V1State.ReadAsync(client, V1State.Nobody, cancellationToken).ConfigureAwait(false)).Users.ContainsKey(user))
            await client.QueryAsync(InfluxQl.DropUser(user), cancellationToken).ConfigureAwait(false);
    }

    // What is too much goes first: a user never holds more than the old and the new rights together.
    internal static async Task GrantAsync(V1Client client, UserPlan user, CancellationToken cancellationToken)
    {
        var held = (await V1State.ReadAsync(client, new HashSet<string>(StringComparer.Ordinal) { user.Name }, cancellationToken).ConfigureAwait(false)).Users.GetValueOrDefault(user.Name)
            ?? throw new InfluxException(InfluxFault.NotFound, $"user '{user.Name}' does not exist");
        var wanted = V1Probe.Grants(user);
        List<string> statements = held.Admin ? [InfluxQl.RevokeAdmin(user.Name)] : [];
        statements.AddRange(held.Grants.Where(grant => wanted.GetValueOrDefault(grant.Key) != grant.Value).Select(grant => InfluxQl.RevokeAll(grant.Key, user.Name)));
        statements.AddRange(wanted.Where(grant => held.Grants.GetValueOrDefault(grant.Key) != grant.Value).Select(grant => InfluxQl.Grant(grant.Value, grant.Key, user.Name)));
        foreach (var statement in statements)
            await client.QueryAsync(statement, cancellationToken).ConfigureAwait(false);
    }

    private static DatabasePlan Database(InfluxDbPlan plan, string name) => plan.Databases.First(database => database.Name == name);

    private static PolicyPlan Policy(InfluxDbPlan plan, string[] subject) => Database(plan, subject[0]).Policies.First(policy => policy.Name == subject[1]);

    private static UserPlan User(InfluxDbPlan plan, string name) => plan.Users.First(user => user.Name == name);
}
